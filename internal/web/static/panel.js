// Keys, and what pages tell while they follow the server. Pages work without this file.
(() => {
  'use strict';

  const editable = (el) => el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName);

  // goTo maps the second key after G to the path of a navigation item.
  const goTo = { o: '', e: 'events', t: 'templates', p: 'people', q: 'queues' };
  let leader = 0;

  document.addEventListener('keydown', (e) => {
    if (e.defaultPrevented || e.altKey || e.metaKey || e.ctrlKey || editable(e.target)) return;
    const key = e.key.toLowerCase();
    const root = document.body.dataset.root || './';
    if (Date.now() - leader < 1500 && key in goTo) {
      leader = 0;
      const link = document.querySelector(`.side .nav a[data-path="${goTo[key]}"]`);
      if (link) { e.preventDefault(); location.href = link.href; }
      return;
    }
    if (key === 'g') { leader = Date.now(); return; }
    if (key === '/') {
      const field = document.querySelector('main input[type="search"]');
      if (field) { e.preventDefault(); field.focus(); }
      return;
    }
    if (key === 'n' || key === 'u') {
      const link = document.querySelector(`[data-key="${key}"]`);
      if (link) { e.preventDefault(); location.href = link.href; }
      return;
    }
    if (key === 'j' || key === 'k') moveRow(key === 'j' ? 1 : -1, e);
  });

  // moveRow focuses the link of the next or the previous row of the first table.
  function moveRow(step, e) {
    const links = [...document.querySelectorAll('main tbody a.lead')];
    if (!links.length) return;
    const at = links.indexOf(document.activeElement);
    e.preventDefault();
    links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
  }

  // The dot beside "Live" shows whether the stream is open.
  const live = (on) => document.querySelectorAll('.live').forEach((el) => {
    el.classList.toggle('live-off', !on);
    el.textContent = on ? 'Live' : 'Not live';
    el.hidden = false;
  });
  document.addEventListener('htmx:sseOpen', () => live(true));
  document.addEventListener('htmx:sseError', () => live(false));
  document.addEventListener('htmx:sseMessage', (e) => {
    if (e.detail.type === 'end') document.querySelectorAll('.live').forEach((el) => { el.hidden = true; });
  });

  // Forms that ask for a reload filter as people type.
  document.querySelectorAll('form[data-filter] select').forEach((el) => el.addEventListener('change', () => el.form.requestSubmit()));
})();
