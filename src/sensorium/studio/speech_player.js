// Plays speech while it is spoken, where it is told piece by piece; else as soon as its file is there.
const audio = element.querySelector("audio"), link = element.querySelector("a"), empty = element.querySelector("p");
let file = "", opened = false;

function play(source) {
  audio.dataset.source = source;
  audio.src = source;
  // What was there when the page was opened waits for a click.
  if (opened && navigator.userActivation?.hasBeenActive !== false) audio.play().catch(() => {});
}

function finish() {
  // The whole file can be wound, what came piece by piece can't.
  if (!file || audio.dataset.source === file) return;
  audio.dataset.source = file;
  audio.src = file;
}

function take() {
  const value = props.value;
  const source = value?.file || value?.stream || "";
  empty.hidden = Boolean(source);
  audio.hidden = !source;
  link.hidden = !value?.file;
  file = value?.file ?? "";
  if (!source) {
    audio.removeAttribute("src");
    audio.dataset.source = "";
    return;
  }
  if (file) {
    link.href = file;
    link.download = value.name;
  }
  const streamed = value.stream && audio.dataset.source === value.stream;
  if (streamed && file && (audio.paused || audio.error)) finish();
  else if (!streamed && audio.dataset.source !== source) play(source);
}

audio.addEventListener("ended", finish);
audio.addEventListener("pause", finish);
audio.addEventListener("error", finish);
take();
opened = true;
watch("value", take);
