/** Where an answer was interrupted: what of it was heard, and what was not. */

export type HeardSplit = { readonly heard: string; readonly unheard: string };

/**
 * Splits an answer after so many bytes of its UTF-8 text, which is how the agent counts. A boundary inside a character falls
 * back to before it.
 */
export function splitAtBytes(text: string, bytes: number): HeardSplit {
  let length = 0;
  let index = 0;
  for (const character of text) {
    length += utf8Length(character);
    if (length > bytes) break;
    index += character.length;
  }
  return { heard: text.slice(0, index), unheard: text.slice(index) };
}

/** Splits by the text that was heard, where it is the beginning of the answer. */
export function splitAtText(text: string, heard: string): HeardSplit | undefined {
  return text.startsWith(heard) ? { heard, unheard: text.slice(heard.length) } : undefined;
}

function utf8Length(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point < 0x80) return 1;
  if (point < 0x800) return 2;
  return point < 0x1_0000 ? 3 : 4;
}
