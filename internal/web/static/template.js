// The editor of templates: the frame follows the form, and names are inserted where the cursor is. The page works without this file.
(() => {
  'use strict';

  const form = document.querySelector('form[data-template]');
  if (!form) return;

  // Each preview gets a frame of its own, so that Back leaves the page and not a preview. The last one stays until the next has loaded.
  const button = document.getElementById('show');
  let frame = document.querySelector('iframe[name=shown]');
  let made = 0;
  function show() {
    if (!frame) return;
    const next = frame.cloneNode();
    const last = frame;
    next.removeAttribute('src');
    next.name = button.formTarget = `shown-${++made}`;
    next.classList.add('visually-hidden');
    frame.after(next);
    frame = next;
    form.requestSubmit(button);
    next.addEventListener('load', () => {
      next.classList.remove('visually-hidden');
      last.remove();
    }, { once: true });
  }
  if (button) {
    button.hidden = true;
    if (!frame.hasAttribute('src')) show();
  }

  // A fault that came or went while people type changes what the field says of itself.
  function describe() {
    for (const field of form.querySelectorAll('.input, .textarea')) {
      const wrong = document.getElementById(`${field.id}-wrong`);
      field.toggleAttribute('aria-invalid', !!wrong);
      if (wrong) {
        field.setAttribute('aria-invalid', 'true');
        field.setAttribute('aria-describedby', wrong.id);
      } else {
        field.removeAttribute('aria-describedby');
      }
    }
  }
  document.addEventListener('htmx:afterSettle', (e) => {
    if (e.detail.target.id === 'as') {
      form.dispatchEvent(new Event('input', { bubbles: true }));
      return;
    }
    if (e.detail.target.id !== 'preview') return;
    describe();
    if (!document.querySelector('#preview [data-wrong]')) show();
  });

  // insert writes a name where the cursor was in the field that had it last.
  let field = form.querySelector('.textarea');
  form.addEventListener('focusin', (e) => { if (e.target.matches('.input, .textarea')) field = e.target; });
  function insert(text) {
    field.setRangeText(text, field.selectionStart, field.selectionEnd, 'end');
    field.focus();
    field.dispatchEvent(new Event('input', { bubbles: true }));
  }

  // offer makes buttons of the names.
  function offer() {
    for (const name of document.querySelectorAll('code[data-insert]')) {
      const chip = document.createElement('button');
      chip.type = 'button';
      chip.className = 'chip mono';
      chip.textContent = name.textContent;
      chip.title = `Insert ${name.dataset.insert}`;
      chip.addEventListener('click', () => insert(name.dataset.insert));
      name.replaceWith(chip);
    }
  }
  offer();
  document.addEventListener('htmx:oobAfterSwap', offer);
})();
