/**
 * Keeps the focus where it was, for whoever uses the keyboard: a button that was pressed may be switched off or gone
 * afterwards, and browsers give its focus to nobody.
 */
export function keepFocus(place: HTMLElement | null): void {
  const { activeElement, body } = document;
  if (activeElement === null || activeElement === body || place?.contains(activeElement) === true) place?.focus();
}
