/** What is written in the form and not sent: kept as long as the tab, whatever page it shows. */
const DRAFT = "lampwork-draft";

/** @param {Record<string, unknown>} values by the names of the form's fields */
export function keepDraft(values) {
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(values));
  } catch {
    // A browser may forbid a page to store anything: then the draft lasts as long as the page.
  }
}

export function draft() {
  try {
    return JSON.parse(sessionStorage.getItem(DRAFT)) ?? {};
  } catch {
    return {};
  }
}

export function forgetDraft() {
  try {
    sessionStorage.removeItem(DRAFT);
  } catch {
    // as above
  }
}
