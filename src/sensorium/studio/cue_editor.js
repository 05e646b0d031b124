// Draws the subtitles of `props.value` beside a player, and lets them be edited. What a cue's warning says and how files
// are written is the server's matter. `words` holds the page's words.
const kept = "sensorium-edited-subtitles";
const root = element.querySelector(".cues");
let cues = [], rows = [], player = null, source = "", asked = 0;

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function clock(seconds) {
  const hundredths = Math.round(seconds * 100);
  const [hours, minutes] = [Math.floor(hundredths / 360000), Math.floor(hundredths / 6000) % 60];
  const rest = ((hundredths % 6000) / 100).toFixed(2).padStart(5, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function secondsOf(text) {
  const parts = text.trim().replace(",", ".").split(":");
  if (parts.length > 3 || parts.some((part) => !/^\d+(\.\d*)?$/.test(part))) return null;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

const empty = make("p", { class: "cue-empty" }, words.empty);
const stage = make("div", { class: "cue-player" });
const sum = make("p", { class: "cue-sum", role: "status" });
const list = make("ol", { class: "cue-list", "aria-label": words.table });
const undo = make("button", { type: "button", class: "cue-undo", onclick: startOver }, words.undo);
const bar = make("div", { class: "cue-save", role: "group", "aria-label": words.save }, make("span", {}, words.save));
for (const format of ["srt", "vtt", "txt", "json"]) {
  const name = format.toUpperCase();
  const label = filled(words.save_as, { format: name });
  bar.append(make("button", { type: "button", "data-format": format, "aria-label": label, onclick: () => save(format) }, name));
}
bar.append(undo);
root.append(empty, stage, sum, list, bar);

function locked() {
  return !props.value?.ended;
}

function row(cue, number) {
  const named = (text) => filled(text, { number: number + 1 });
  const fixed = locked();
  const time = (name) => make("input", {
    class: `cue-${name}`, value: clock(cue[name]), "aria-label": named(words[name]), readonly: fixed,
    inputmode: "decimal", spellcheck: "false",
    onchange: (event) => {
      const seconds = secondsOf(event.target.value);
      event.target.setAttribute("aria-invalid", String(seconds === null));
      if (seconds !== null) { cue[name] = seconds; event.target.value = clock(seconds); edited(); }
    },
  });
  const text = make("textarea", {
    class: "cue-text", rows: 1, "aria-label": named(words.text), readonly: fixed,
    oninput: (event) => {
      cue.text = event.target.value;
      fit(event.target);
      edited();
    },
  });
  text.value = cue.text;
  const jump = make("button", {
    type: "button", class: "cue-jump", "aria-label": named(words.play), title: named(words.play),
    onclick: () => { go(cue); player?.play()?.catch(() => {}); },
  }, "▶");
  const change = (name, sign, act) => make("button", {
    type: "button", class: `cue-${name}`, "aria-label": named(words[name]), title: named(words[name]), disabled: fixed,
    onclick: act,
  }, sign);
  const warning = make("p", { class: "cue-warning" }, cue.warning || "");
  const item = make("li", { class: "cue", onclick: (event) => { if (!event.target.closest("button")) go(cue); } },
    make("div", { class: "cue-times" }, jump, time("start"), make("span", { "aria-hidden": "true" }, "–"), time("end")),
    text,
    make("div", { class: "cue-changes" },
      change("insert", "+", () => insertAfter(cue)), change("remove", "×", () => remove(cue))),
    warning);
  return { item, warning, key: keyOf(cue, number) };
}

function fit(text) {
  if (!text.clientWidth) return; // on a tab that is hidden nothing has a size
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

function keyOf(cue, number) {
  return JSON.stringify([number, cue.start, cue.end, cue.text, locked()]);
}

function insertAfter(cue) {
  const at = cues.indexOf(cue) + 1;
  const end = Math.min(cue.end + 2, at < cues.length ? Math.max(cues[at].start, cue.end) : Infinity);
  cues.splice(at, 0, { start: cue.end, end, text: "", warning: "" });
  draw();
  edited();
  rows[at].item.querySelector("textarea").focus();
}

function remove(cue) {
  const at = cues.indexOf(cue);
  cues.splice(at, 1);
  draw();
  edited();
  (rows[Math.min(at, rows.length - 1)]?.item.querySelector("textarea") ?? undo).focus();
}

function go(cue) {
  if (player) player.currentTime = cue.start;
}

function plainCues() {
  return cues.map(({ start, end, text }) => ({ start, end, text }));
}

function edited() {
  props.value = { ...props.value, cues: cues.map((cue) => ({ ...cue })), edited: true };
  try { localStorage.setItem(kept, JSON.stringify({ job: props.value.job, cues })); } catch { /* no room: the page keeps them */ }
  cues.forEach((cue, number) => { rows[number].key = keyOf(cue, number); });
  undo.hidden = false;
  overlay();
  judge();
  trigger("input");
}

function startOver() {
  localStorage.removeItem(kept);
  props.value = { ...props.value, cues: props.value.heard, edited: false };
  take();
  trigger("input");
  list.querySelector("textarea")?.focus();
}

async function judge() {
  const mine = ++asked;
  await new Promise((resolve) => setTimeout(resolve, 250));
  if (mine !== asked) return;
  const told = await server.judge(plainCues()).catch(() => null);
  if (mine !== asked || told === null) return;
  told.forEach((warning, number) => { cues[number].warning = warning; });
  draw();
}

async function save(format) {
  const text = await server.write_file([plainCues(), format]);
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  make("a", { href: address, download: `${props.value.name || "subtitles"}.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function show(value) {
  if ((value.media ?? "") === source) return;
  source = value.media ?? "";
  stage.replaceChildren();
  player = null;
  if (!source) return;
  player = make(value.film ? "video" : "audio", {
    controls: true, preload: "metadata", src: source, "aria-label": words.player, ontimeupdate: follow,
    onerror: () => stage.append(make("p", { class: "cue-unplayable", role: "status" }, words.unplayable)),
  });
  stage.append(player);
}

function overlay() {
  if (!player || player.tagName !== "VIDEO") return;
  const track = player.textTracks[0] ?? player.addTextTrack("subtitles", words.table);
  track.mode = "showing";
  for (const old of [...(track.cues ?? [])]) track.removeCue(old);
  for (const cue of cues) if (cue.end > cue.start) track.addCue(new VTTCue(cue.start, cue.end, cue.text));
}

function follow() {
  rows.forEach(({ item }, number) => {
    const now = player.currentTime >= cues[number].start && player.currentTime < cues[number].end;
    if (now) item.setAttribute("aria-current", "true"); else item.removeAttribute("aria-current");
  });
}

function draw() {
  cues.forEach((cue, number) => {
    if (rows[number]?.key !== keyOf(cue, number) || rows[number].cue !== cue) {
      const made = { ...row(cue, number), cue };
      if (rows[number]) rows[number].item.replaceWith(made.item); else list.append(made.item);
      rows[number] = made;
    }
    rows[number].warning.textContent = cue.warning || "";
  });
  rows.splice(cues.length).forEach(({ item }) => item.remove());
  const fast = cues.filter((cue) => cue.warning).length;
  sum.textContent = cues.length ? filled(fast ? words.sum_fast : words.sum, { count: cues.length, fast }) : "";
  empty.hidden = cues.length > 0 || Boolean(source);
  list.hidden = !cues.length;
  list.querySelectorAll("textarea").forEach(fit);
  bar.hidden = !cues.length || locked();
  overlay();
}

function take() {
  const value = props.value;
  root.classList.toggle("cues-grow", Boolean(value) && locked());
  if (!value) return;
  show(value);
  let taken = value.cues ?? [];
  if (value.ended) {
    let earlier = null;
    try { earlier = JSON.parse(localStorage.getItem(kept)); } catch { /* nothing that can be read */ }
    if (earlier?.job === value.job) {
      taken = earlier.cues;
      props.value = { ...value, cues: taken, edited: true };
    }
  }
  undo.hidden = !props.value.edited;
  // The rows that haven't changed stay as they are: somebody may be reading or typing there.
  cues = taken.map((cue, number) => {
    const old = rows[number]?.cue;
    return old && rows[number].key === keyOf(cue, number) ? Object.assign(old, cue) : { ...cue };
  });
  draw();
  if (locked()) list.scrollTop = list.scrollHeight;
}

draw();
take();
let width = 0;
new ResizeObserver(() => {
  if (root.clientWidth === width) return;
  width = root.clientWidth;
  list.querySelectorAll("textarea").forEach(fit);
}).observe(root);
watch("value", take);
