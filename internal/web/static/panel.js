// Keys, and what pages tell while they follow the server. Pages work without this file.
(() => {
  'use strict';

  const editable = (el) => el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName);

  // goTo maps the second key after G to the path of a navigation item.
  const goTo = { o: '', e: 'events', t: 'templates', p: 'people', q: 'queues' };
  let leader = 0;

  document.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey) {
      const send = document.getElementById('send');
      if (send && e.target.form === send.form) { e.preventDefault(); send.form.requestSubmit(send); }
      return;
    }
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
    if (key === '/' || key === 'n' || key === 'u') {
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
  document.addEventListener('htmx:sseClose', () => document.querySelectorAll('.live').forEach((el) => { el.hidden = true; }));

  // A form that cannot save itself says so; the next change tries again.
  const unsaved = (e) => { if (e.detail.elt.id === 'saved') e.detail.elt.textContent = 'Not saved. The next change is saved again.'; };
  document.addEventListener('htmx:responseError', unsaved);
  document.addEventListener('htmx:sendError', unsaved);

  // Printing needs a script.
  document.querySelectorAll('[data-print]').forEach((el) => { el.hidden = false; el.addEventListener('click', () => window.print()); });

  // Forms that ask for a reload filter as people type.
  document.querySelectorAll('form[data-filter] select').forEach((el) => el.addEventListener('change', () => el.form.requestSubmit()));
})();
