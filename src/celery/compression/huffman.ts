// Codes that are the shorter, the more often a symbol occurs, and none of which begins another.

/** bzip2 has room for 20. */
const maxCodeBits = 17;

/** Huffman's: of all nodes that have no parent, the two lightest get one. Leaves and parents are each in the order of their weights. */
export function codeLengths(counts: Uint32Array): Uint8Array {
  const size = counts.length;
  const lengths = new Uint8Array(size);
  // What does not occur here has a code all the same. Flatter weights make shorter codes.
  for (let weights = counts.map((count) => count || 1); ; weights = weights.map((weight) => (weight + 1) >> 1)) {
    const leaves = [...weights.keys()].sort((a, b) => weights[a]! - weights[b]!);
    const nodes = leaves.map((symbol) => ({ weight: weights[symbol]!, parent: 0 }));
    let leaf = 0;
    let inner = size;
    while (nodes.length < 2 * size - 1) {
      const parent = { weight: 0, parent: 0 };
      for (let child = 0; child < 2; child++) {
        const isLeaf = leaf < size && !(inner < nodes.length && nodes[inner]!.weight < nodes[leaf]!.weight);
        const lightest = nodes[isLeaf ? leaf++ : inner++]!;
        lightest.parent = nodes.length;
        parent.weight += lightest.weight;
      }
      nodes.push(parent);
    }
    const depths = new Uint8Array(nodes.length);
    for (let node = nodes.length - 2; node >= 0; node--) depths[node] = depths[nodes[node]!.parent]! + 1;
    leaves.forEach((symbol, node) => {
      lengths[symbol] = depths[node]!;
    });
    if (Math.max(...lengths) <= maxCodeBits) return lengths;
  }
}

/** Codes of a length follow each other in the order of their symbols. */
export function codesOf(lengths: Uint8Array): Uint32Array {
  const codes = new Uint32Array(lengths.length);
  let code = 0;
  for (let bits = 1; bits <= maxCodeBits; bits++) {
    lengths.forEach((length, symbol) => {
      if (length === bits) codes[symbol] = code++;
    });
    code <<= 1;
  }
  return codes;
}
