// What a screen reader or voice control cannot name, as a list of findings {kind, what, detail}.
// Runs inside the page as the body of a function.
//
//   nameless   a control, a picture, a group or a dialog has no accessible name
//   mismatch   a control's accessible name does not contain what is written on it: who says the word does not reach it
//   empty      a heading, a head of a table, a term or a label has no words
//   twice      two elements have the same id, so that what names one names the other
//   nested     a control inside a control
const findings = [];
const CONTROLS =
  'a[href],button,input:not([type=hidden]),select,textarea,summary,[role=button],[role=tab],[role=switch],' +
  '[role=checkbox],[role=radio],[role=slider],[role=option],[role=menuitem],[role=link]';
// What stands in them names them; a slider or a group needs a name of its own.
const FROM_CONTENT =
  'a[href],button,summary,[role=button],[role=tab],[role=switch],[role=checkbox],[role=radio],[role=option],' +
  '[role=menuitem],[role=link]';
const NAMED = `${CONTROLS},img,svg[role=img],[role=img],[role=dialog],[role=radiogroup],[role=tablist],[role=tabpanel],[role=group]`;

const tidy = (text) => (text ?? '').replace(/\s+/g, ' ').trim();
const bare = (text) => tidy(text.toLowerCase().replace(/[^\p{L}\p{N} ]/gu, ' '));
const seen = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
const mark = (e) => {
  const marked = e.closest('[data-testid]');
  return `${marked ? `[${marked.dataset.testid}] ` : ''}${e.outerHTML.slice(0, 120)}`;
};
const report = (kind, e, detail) => {
  if (findings.length < 100) findings.push({ kind, what: mark(e), detail });
};

// What stands in an element, without what is hidden from readers and, where asked, without other controls.
function words(e, without) {
  let text = '';
  for (const node of e.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) text += node.textContent;
    if (node.nodeType !== Node.ELEMENT_NODE) continue;
    if (node.getAttribute('aria-hidden') === 'true' || (without && node.matches(without))) continue;
    if (!node.checkVisibility()) continue;
    text += ` ${node.getAttribute('aria-label') ?? node.getAttribute('alt') ?? words(node, without)} `;
  }
  return text;
}

const byIds = (e, attribute) =>
  (e.getAttribute(attribute) ?? '').split(/\s+/).filter(Boolean).map((id) => document.getElementById(id));

// [its accessible name, what is written on it]
function named(e) {
  const labels = [...(e.labels ?? [])].filter(seen);
  const label = tidy(labels.map((l) => words(l, 'input,select,textarea,button')).join(' '));
  const inside = e.matches('input,select,textarea') ? '' : tidy(words(e));
  const own = tidy(byIds(e, 'aria-labelledby').map((other) => (other ? words(other) : '')).join(' ')) ||
    tidy(e.getAttribute('aria-label'));
  const content = e.matches(FROM_CONTENT) ? inside : '';
  const name = own || label || tidy(e.getAttribute('alt')) || content || tidy(e.getAttribute('title')) ||
    (e instanceof SVGElement ? tidy(e.querySelector(':scope > title')?.textContent) : '');
  return [name, e.matches(CONTROLS) ? label || inside : ''];
}

for (const e of all(NAMED)) {
  if (!seen(e) || e.closest('[aria-hidden=true]')) continue;
  const [name, written] = named(e);
  if (!bare(name)) report('nameless', e, e.getAttribute('role') ?? e.tagName.toLowerCase());
  // A sign is no word that anybody says.
  else if (bare(written).length > 1 && !bare(name).includes(bare(written))) {
    report('mismatch', e, `"${written}" is not in "${name}"`);
  }
  if (e.matches(CONTROLS) && e.parentElement?.closest(CONTROLS)) report('nested', e, '');
}
for (const e of all('h1,h2,h3,h4,h5,h6,[role=heading],th,caption,legend,dt,label')) {
  if (seen(e) && !bare(words(e)) && !bare(e.getAttribute('aria-label') ?? '')) {
    // A label around a field alone names nothing; one whose sign is all that there is has no words either.
    report('empty', e, e.tagName.toLowerCase());
  }
}
const ids = new Set();
for (const e of all('[id]')) {
  if (ids.has(e.id)) report('twice', e, e.id);
  ids.add(e.id);
}
return findings;
