// Fills the list with `props.value.options`, and keeps in `props.value.chosen` what is chosen.
const list = element.querySelector("select");
let filled = "";

function take() {
  const options = props.value?.options;
  if (!options || props.value.chosen !== undefined) return;
  const offers = JSON.stringify(options);
  if (offers !== filled) { // an open list closes when it is filled
    filled = offers;
    const before = list.value;
    list.replaceChildren(...options.map(([shown, value]) => new Option(shown, value)));
    if (options.some(([, value]) => value === before)) list.value = before;
    list.disabled = !options.length;
  }
  keep();
}

function keep() {
  props.value = { options: props.value.options, chosen: list.value };
}

list.addEventListener("change", keep);
take();
watch("value", take);
