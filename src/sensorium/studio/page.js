() => {
  document.documentElement.lang = "LANGUAGE";
  // Gradio labels the places of pictures that aren't there yet, but doesn't say that they are pictures.
  const mend = () => document.querySelectorAll(".empty[aria-label]:not([role])").forEach((each) => each.setAttribute("role", "img"));
  mend();
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
}
