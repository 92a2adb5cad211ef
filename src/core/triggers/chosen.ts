// Chance that stays: a number chosen by a text, the same one on every machine and after every restart.

/** A whole number from 0 to `choices` - 1, even over many texts. FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) with the final mixing of MurmurHash3. */
export function chosenBy(text: string, choices: number): number {
  let hash = 0x811c_9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % choices;
}
