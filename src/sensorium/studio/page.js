() => {
  document.documentElement.lang = "LANGUAGE";
  // Gradio labels the places of pictures that aren't there yet, but doesn't say that they are pictures.
  const mend = () => document.querySelectorAll(".empty[aria-label]:not([role])").forEach((each) => each.setAttribute("role", "img"));
  mend();
  // A button that names a second of a film or a recording plays it from there.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-seek]");
    const player = button && document.querySelector(`#${button.dataset.player} :is(video, audio)`);
    if (!player) return;
    player.currentTime = Number(button.dataset.seek);
    player.play();
  });
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
}
