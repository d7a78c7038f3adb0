/** A module that did not arrive (the network changed) leaves a page that does nothing: once more. */
addEventListener(
  "error",
  ({ target }) => {
    const [{ type }] = performance.getEntriesByType("navigation");
    if (target instanceof HTMLScriptElement && type !== "reload") setTimeout(() => location.reload(), 500);
  },
  true, // errors of elements do not bubble
);
