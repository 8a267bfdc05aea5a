// What the page holds: packed arrays, and vocabularies whose words become strings when somebody asks for them.

async function gunzip(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

// An array lies in planes: first the lowest byte of every number, then the next one.
function unpack(buffer, { type, start, length }) {
  if (type === "text") {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(buffer, start, length));
  }
  const width = { int32: 4, float64: 8 }[type];
  const planes = new Uint8Array(buffer, start, length * width);
  const bytes = new Uint8Array(length * width);
  for (let place = 0; place < length; place += 1) {
    for (let plane = 0; plane < width; plane += 1) bytes[place * width + plane] = planes[plane * length + place];
  }
  return type === "int32" ? new Int32Array(bytes.buffer) : new Float64Array(bytes.buffer);
}

class Vocabulary {
  constructor(buffer, { words, lengths, counts }) {
    this.text = unpack(buffer, words);
    this.counts = unpack(buffer, counts);
    this.size = this.counts.length;
    this.total = this.counts.reduce((sum, count) => sum + count, 0);
    this.starts = new Int32Array(this.size + 1);
    unpack(buffer, lengths).forEach((length, rank) => { this.starts[rank + 1] = this.starts[rank] + length; });
  }

  word(rank) { return this.text.slice(this.starts[rank], this.starts[rank + 1]); }

  mass(rank) { return this.counts[rank] / Math.max(this.total, 1); }

  rankOf(word) {
    for (let rank = 0; rank < this.size; rank += 1) {
      if (this.starts[rank + 1] - this.starts[rank] === word.length && this.text.startsWith(word, this.starts[rank])) {
        return rank;
      }
    }
    return -1;
  }

  // The most frequent words that begin so.
  beginningWith(letters, most) {
    const found = [];
    for (let rank = 0; rank < this.size && found.length < most; rank += 1) {
      const fits = this.starts[rank + 1] - this.starts[rank] >= letters.length;
      if (fits && this.text.startsWith(letters, this.starts[rank])) found.push(rank);
    }
    return found;
  }

  // "the (rank 1, 5.3 %)"
  described(rank) { return `${shown(this.word(rank))} (rank ${whole(rank + 1)}, ${share(this.mass(rank))})`; }
}

// What is not printable, as Python escapes it.
function escape(letter) {
  const point = letter.codePointAt(0);
  const short = { "\t": "\\t", "\n": "\\n", "\r": "\\r" }[letter];
  const [mark, digits] = point < 0x100 ? ["x", 2] : point < 0x10000 ? ["u", 4] : ["U", 8];
  return short ?? `\\${mark}${point.toString(16).padStart(digits, "0")}`;
}

// A word as it can stand in a line: what is not printable is escaped, and a long one loses its middle. Joiners between
// letters or signs are printable, for Persian and emoji are written with them.
const UNPRINTABLE = /( |(?<=[^\p{C}\p{Z}])[\u200c\u200d](?=[^\p{C}\p{Z}]))|[\p{C}\p{Z}]/gu;
function shown(word, most = 40) {
  const escaped = word.replace(UNPRINTABLE, (letter, kept) => kept ?? escape(letter));
  const letters = [...escaped];
  if (letters.length <= most) return escaped;
  const tail = Math.floor((most - 1) / 2);
  return `${letters.slice(0, most - 1 - tail).join("")}…${letters.slice(-tail).join("")}`;
}

// A word inside a text of Plotly, which knows some tags and entities, and takes what stands between $ for a formula; in
// isolates, so that it turns nothing beside it when it is written from right to left.
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", $: "&#36;" };
function plotted(word, most) {
  return `\u2068${shown(word, most).replace(/[&<>$]/g, (letter) => ENTITIES[letter])}\u2069`;
}

function whole(number) { return number.toLocaleString("en-US"); }

function words(number) { return `${whole(number)} word${number === 1 ? "" : "s"}`; }

function share(mass) {
  if (mass === 0) return "0 %";
  const percent = 100 * mass;
  return percent >= 0.01 ? `${Number(percent.toPrecision(3))} %` : `${percent.toExponential(1)} %`;
}
