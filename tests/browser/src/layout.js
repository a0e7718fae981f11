// What a person would call a broken layout, as a list of findings {kind, what, detail}.
// Runs inside the page as the body of a function; arguments[0]: {phone: bool, width: px}.
//
//   wide      the page is wider than the window
//   outside   a text or control lies outside the window or the page (scroll containers are honoured)
//   cut       a text or control is cut by a box that hides its overflow, without an ellipsis that a title explains
//   spills    a text is wider than the box that it is in
//   overlap   two texts or controls, neither inside the other, cover the same place; or a text covers, or is covered
//             by, a drawing that says something: a node's disc or log strip, a crown, a bar
//   contrast  a text stands out less than 4.5:1 from its background (3:1 when large)
//   target    a control is smaller than a finger can hit (phones only; WCAG 2.2, 2.5.8)
//
// An element with data-overlap="intended" may cover others on purpose (a caption over a picture).
const options = arguments[0] || {};
for (const animation of document.getAnimations()) {
  // what still grows or fades in is looked at as it will be; what goes round for ever has no end
  if (Number.isFinite(animation.effect?.getComputedTiming().endTime)) animation.finish();
}
const findings = [];
const width = document.documentElement.clientWidth;
const height = window.innerHeight;
const CONTROLS =
  'a[href],button,input,select,textarea,summary,[role=button],[role=tab],[role=switch],[role=checkbox],' +
  '[role=radio],[role=slider],[role=option],[role=menuitem],[role=link]';
const SLACK = 1.5;

const visible = (element) =>
  element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true });

function name(element) {
  const marked = element.closest('[data-testid]');
  const mark = marked ? `[${marked.dataset.testid}]` : '';
  const words = (element.getAttribute('aria-label') || element.textContent || '').trim().replace(/\s+/g, ' ');
  return `${mark}${marked === element ? '' : ` <${element.tagName.toLowerCase()}>`} "${words.slice(0, 40)}"`;
}

function report(kind, what, detail) {
  if (findings.length < 200) findings.push({ kind, what, detail });
}

const box = (r) => ({ left: r.left, top: r.top, right: r.right, bottom: r.bottom });
const shown = (r) => `${Math.round(r.left)},${Math.round(r.top)} to ${Math.round(r.right)},${Math.round(r.bottom)}`;
const meet = (a, b) => ({
  left: Math.max(a.left, b.left),
  top: Math.max(a.top, b.top),
  right: Math.min(a.right, b.right),
  bottom: Math.min(a.bottom, b.bottom),
});
const empty = (r) => r.right - r.left < 1 || r.bottom - r.top < 1;

// What is left of a rectangle inside its ancestors: null when none of it is to be seen (scrolled away, or text for
// screen readers only). Reports which ancestor cuts it without a way to scroll there.
function clipped(element, rect) {
  // parked far away until it has the focus: a way around the page for keys and screen readers
  if (rect.right < -500 || rect.bottom + window.scrollY < -500) return null;
  let rest = box(rect);
  let cutter = null;
  let style = getComputedStyle(element);
  let free = style.position;
  for (let a = element; a; a = a.parentElement) {
    style = getComputedStyle(a);
    if (a !== element) {
      if (free === 'fixed') break;
      // an absolute box is cut only by its containing block and what is above that
      if (free === 'absolute' && style.position === 'static' && style.transform === 'none') continue;
      free = style.position;
    }
    if (a === document.body || a === document.documentElement) continue;
    const hides = (value) => value === 'hidden' || value === 'clip';
    const svg = a instanceof SVGSVGElement;
    if (a instanceof SVGElement && !svg) continue;
    const [x, y] = [style.overflowX, style.overflowY];
    if (x === 'visible' && y === 'visible') continue;
    if (style.display === 'inline') continue;
    const outer = a.getBoundingClientRect();
    if (outer.width <= 2 || outer.height <= 2) return null;
    const inner = {
      left: outer.left + a.clientLeft,
      top: outer.top + a.clientTop,
      right: outer.left + a.clientLeft + (svg ? outer.width : a.clientWidth),
      bottom: outer.top + a.clientTop + (svg ? outer.height : a.clientHeight),
    };
    const next = meet(rest, inner);
    const lost_x = Math.max(inner.left - rest.left, rest.right - inner.right);
    const lost_y = Math.max(inner.top - rest.top, rest.bottom - inner.bottom);
    if (hides(x) && lost_x > SLACK) {
      const short = style.textOverflow === 'ellipsis' && element.closest('[title]');
      if (!short) cutter = cutter || { by: a, lost: `${Math.round(lost_x)} px of its width` };
    }
    // the box of a line is higher than its letters
    if (hides(y) && lost_y > Math.max(SLACK, (rect.bottom - rect.top) * 0.2)) {
      cutter = cutter || { by: a, lost: `${Math.round(lost_y)} px of its height` };
    }
    rest = next;
    if (empty(rest)) break;
  }
  if (cutter) report('cut', name(element), `${cutter.lost} by ${name(cutter.by)}`);
  return empty(rest) ? null : rest;
}

// Letters are lower than their line's box: comparing the boxes would report neighbours that do not touch.
function letters(rect) {
  const rim = (rect.bottom - rect.top) * 0.16;
  return { left: rect.left + 0.5, right: rect.right - 0.5, top: rect.top + rim, bottom: rect.bottom - rim };
}

function inWindow(element, rect) {
  const root = document.documentElement;
  const fixed = getComputedStyle(element).position === 'fixed';
  const scrolls = root.scrollHeight > height + 1 && getComputedStyle(document.body).overflowY !== 'hidden' && !fixed;
  const low = scrolls ? root.scrollHeight - window.scrollY : height;
  const high = scrolls ? -window.scrollY : 0;
  if (rect.left < -SLACK || rect.right > width + SLACK || rect.top < high - SLACK || rect.bottom > low + SLACK) {
    report('outside', name(element), `at ${shown(rect)} of ${width}x${height}`);
  }
}

function texts() {
  const items = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const silent = 'script,style,title,desc,option,noscript,template,textarea';
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element || element.closest(silent) || !visible(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const lines =
      element instanceof SVGElement ? [range.getBoundingClientRect()] : Array.from(range.getClientRects());
    const seen = [];
    for (const line of lines) {
      if (line.width < 1 || line.height < 1) continue;
      const rest = clipped(element, line);
      if (rest) seen.push(rest);
    }
    if (!seen.length) continue;
    for (const line of seen) inWindow(element, line);
    if (!(element instanceof SVGElement)) spill(element, lines);
    items.push({ element, node, rects: seen.map(letters), control: false });
  }
  return items;
}

function spill(element, lines) {
  let holder = element;
  while (holder !== document.body && getComputedStyle(holder).display.startsWith('inline') &&
         !getComputedStyle(holder).display.includes('-')) {
    holder = holder.parentElement;
  }
  const style = getComputedStyle(holder);
  if (style.overflowX !== 'visible' || style.display === 'contents') return;
  const outer = holder.getBoundingClientRect();
  for (const line of lines) {
    const over = Math.max(line.right - outer.right, outer.left - line.left);
    if (over > 2) return report('spills', name(element), `${Math.round(over)} px out of ${name(holder)}`);
  }
}

function controls() {
  const items = [];
  for (const element of document.querySelectorAll(CONTROLS)) {
    if (!visible(element)) continue;
    // of a node what can be hit is its disc, and not the votes beside it
    const hit = element.matches('.node') ? element.querySelector('.reach') : null;
    const rect = (hit || element).getBoundingClientRect();
    if (rect.width < 1 || rect.height < 1) continue;
    const rest = clipped(element, rect);
    if (!rest) continue;
    inWindow(element, rest);
    const inText = element.matches('a') && getComputedStyle(element).display === 'inline';
    // a label is as good a target as the box beside it
    const aims = [element, ...(element.labels || [])].map((e) => e.getBoundingClientRect());
    if (options.phone && !inText && !aims.some((r) => r.width >= 23.5 && r.height >= 23.5)) {
      report('target', name(element), `${Math.round(rect.width)}x${Math.round(rect.height)} px`);
    }
    const inset = { left: rest.left + 0.5, right: rest.right - 0.5, top: rest.top + 0.5, bottom: rest.bottom - 0.5 };
    items.push({ element, rects: [inset], control: true });
  }
  return items;
}

function overlaps(items) {
  const layer = (e) => e.closest('dialog[open],[role=dialog],[role=alertdialog]');
  const meant = (e) => e.closest('[data-overlap=intended]');
  for (const item of items) {
    item.layer = layer(item.element);
    item.meant = meant(item.element);
  }
  for (let i = 0; i < items.length; i++) {
    for (let j = i + 1; j < items.length; j++) {
      const [a, b] = [items[i], items[j]];
      if (a.layer !== b.layer || a.meant !== b.meant) continue;
      // a text belongs to its control, and neighbours in one line share their parent
      if (a.element.contains(b.element) || b.element.contains(a.element)) continue;
      const label = (x, y) => x.element.closest('label')?.control === y.element;
      if (label(a, b) || label(b, a)) continue;
      for (const p of a.rects) {
        const hit = b.rects.map((q) => meet(p, q)).find((r) => r.right - r.left > SLACK && r.bottom - r.top > SLACK);
        if (hit) {
          report('overlap', `${name(a.element)} and ${name(b.element)}`, `at ${shown(hit)}`);
          break;
        }
      }
    }
  }
}

// Drawings that say something. Of a round one only what is surely inside counts.
function drawings() {
  const items = [];
  for (const element of document.querySelectorAll('.node .disc, .node .crown, .strip rect:not(.none), .measure .track')) {
    if (!visible(element)) continue;
    const rect = element.getBoundingClientRect();
    const round = element.matches('.disc') ? 0.16 : 0.04;
    const [x, y] = [rect.width * round, rect.height * round];
    items.push({ element, rect: { left: rect.left + x, right: rect.right - x, top: rect.top + y, bottom: rect.bottom - y } });
  }
  return items;
}

function covered(texts) {
  const shapes = drawings();
  for (const { element, rects } of texts) {
    if (!element.closest('svg.standing') || element.closest('.badge-line')) continue;
    for (const shape of shapes) {
      // what is written in a node stands on its disc, and a bar's figure above it
      const own = element.closest('.node, .measure');
      if (own && own.contains(shape.element)) continue;
      const hit = rects.map((r) => meet(r, shape.rect)).find((r) => r.right - r.left > SLACK && r.bottom - r.top > SLACK);
      if (hit) report('overlap', `${name(element)} and a drawing of ${name(shape.element)}`, `at ${shown(hit)}`);
    }
  }
}

// What a field says before anything is typed into it must be read whole.
function placeholders() {
  const pen = document.createElement('canvas').getContext('2d');
  for (const field of document.querySelectorAll('input[placeholder]')) {
    if (!visible(field) || field.value) continue;
    const style = getComputedStyle(field);
    pen.font = style.font;
    const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const lost = pen.measureText(field.placeholder).width - room;
    if (lost > SLACK) report('cut', name(field), `${Math.round(lost)} px of what it says`);
  }
}

// [red, green, blue, alpha], each 0 to 1.
function colour(text) {
  const numbers = (text.match(/-?[\d.]+(?:e-?\d+)?%?/g) || []).map((n) => (n.endsWith('%') ? parseFloat(n) / 100 : +n));
  if (text.startsWith('rgb')) return [numbers[0] / 255, numbers[1] / 255, numbers[2] / 255, numbers[3] ?? 1];
  if (text.startsWith('color(srgb')) return [numbers[0], numbers[1], numbers[2], numbers[3] ?? 1];
  return null;
}
const over = (top, under) => [0, 1, 2].map((k) => top[k] * top[3] + under[k] * (1 - top[3])).concat(1);
const channel = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const luminance = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);

function background(element) {
  const layers = [];
  for (let a = element; a; a = a.parentElement) {
    const style = getComputedStyle(a);
    // a picture behind the text: which of its colours is there cannot be known from here
    if (style.backgroundImage !== 'none' || a instanceof SVGElement) return null;
    const c = colour(style.backgroundColor);
    if (!c) return null;
    layers.push(c);
    if (c[3] === 1) break;
    // what lies behind a positioned, see-through box is not its parent's background
    if (style.position === 'absolute' || style.position === 'fixed') return null;
  }
  return layers.reverse().reduce((under, top) => over(top, under), [1, 1, 1, 1]);
}

function contrast(items) {
  const told = new Set();
  for (const { element, control } of items) {
    if (control || told.has(element) || element instanceof SVGElement) continue;
    if (element.closest(':disabled,[aria-disabled=true],[aria-hidden=true]')) continue;
    told.add(element);
    const style = getComputedStyle(element);
    const [ink, paper] = [colour(style.color), background(element)];
    if (!ink || !paper) continue;
    let faint = 1;
    for (let a = element; a; a = a.parentElement) faint *= +getComputedStyle(a).opacity;
    const [a, b] = [luminance(over([ink[0], ink[1], ink[2], ink[3] * faint], paper)), luminance(paper)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5) - 0.02) report('contrast', name(element), `${ratio.toFixed(2)}:1, ${style.color}`);
  }
}

const page = document.documentElement;
if (options.width && window.innerWidth > options.width + 1) {
  // a phone lays such a page out at 980 px and shrinks it
  report('wide', 'the page', `it is laid out ${window.innerWidth} px wide on a screen of ${options.width} px`);
}
if (page.scrollWidth > width + 1) report('wide', 'the page', `${page.scrollWidth} px in a window of ${width} px`);
const written = texts();
const items = written.concat(controls());
overlaps(items);
covered(written);
placeholders();
contrast(items);
const unique = new Map(findings.map((f) => [JSON.stringify(f), f]));
return [...unique.values()];
