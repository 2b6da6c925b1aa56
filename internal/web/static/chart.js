// Charts that tell the numbers under the pointer. Without this file pages show them as SVG.
(() => {
  'use strict';

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const fill = (channel) => color(`--ch-${channel}`) || color('--ink-3');

  // stacked adds to the counts of each series those below it.
  const stacked = (series) => {
    const below = new Array(series[0].counts.length).fill(0);
    return series.map((s) => s.counts.map((n, i) => (below[i] += n)));
  };

  function draw(el) {
    const { times, series } = JSON.parse(el.dataset.chart);
    if (!series.length) return;
    const said = el.parentElement.querySelector('[data-chart-says]');
    const usual = said.textContent;
    const sums = stacked(series);
    // The highest area is drawn first, so that the others are in front of it.
    const order = series.map((_, i) => i).reverse();
    const axis = { stroke: color('--ink-3'), font: '12px system-ui', grid: { stroke: color('--line'), width: 1 }, ticks: { show: false } };
    const lang = 'en-GB';
    const days = times.at(-1) - times[0] > 2 * 86400;
    const short = days ? { day: 'numeric', month: 'short' } : { hour: '2-digit', minute: '2-digit' };
    const time = new Intl.DateTimeFormat(lang, { timeZone: el.dataset.zone, ...short });
    el.setAttribute('role', 'img');
    el.setAttribute('aria-label', el.querySelector('svg').getAttribute('aria-label'));
    el.classList.add('chart-drawn');
    new uPlot({
      width: el.clientWidth,
      height: 200,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), el.dataset.zone),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { y: { range: (_, __, max) => [0, Math.max(10, max * 1.05)] } },
      axes: [{ ...axis, space: 80, size: 32, grid: { show: false }, values: (_, ticks) => ticks.map((t) => time.format(t * 1e3)) }, { ...axis, values: (_, ticks) => ticks.map((n) => n.toLocaleString(lang, { notation: 'compact' })) }],
      series: [{}, ...order.map((i) => ({ fill: fill(series[i].class), width: 0, points: { show: false } }))],
      hooks: {
        setCursor: [(u) => {
          const at = u.cursor.idx;
          said.textContent = at == null ? usual : [
            new Date(times[at] * 1e3).toLocaleString(lang, { timeZone: el.dataset.zone, dateStyle: 'medium', timeStyle: 'short' }),
            ...series.map((s) => `${s.name} ${s.counts[at].toLocaleString(lang)}`),
          ].join(' · ');
        }],
      },
    }, [times, ...order.map((i) => sums[i])], el);
  }

  const drawAll = () => document.querySelectorAll('[data-chart]:not(.chart-drawn)').forEach(draw);
  document.addEventListener('htmx:sseMessage', (e) => { if (e.detail.type === 'traffic') drawAll(); });
  window.addEventListener('resize', () => {
    document.querySelectorAll('.chart-drawn').forEach((el) => {
      el.querySelector('.uplot').remove();
      el.classList.remove('chart-drawn');
    });
    drawAll();
  });
  drawAll();
})();
