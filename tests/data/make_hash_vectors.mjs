// Makes hash_vectors.json: result keys as the TypeScript service makes them, for vitrine/keys.py to be tested by.
// Run: node tests/data/make_hash_vectors.mjs > tests/data/hash_vectors.json
// JSON.stringify writes lone surrogates as \udXXX, so every id survives the file.
import { createHash } from "node:crypto";

const hex = (name, text) => createHash(name).update(text).digest("hex");

function hashKey(userId, fullBodyImage, clothingIds) {
  const modelHash = hex("md5", fullBodyImage).slice(0, 8);
  return hex("sha256", userId + ":" + modelHash + ":" + [...clothingIds].sort().join(","));
}

const ids = [
  "", "0", "1", "2", "9", "10", "11", "-1", "1e3", "1.0", "01", "NaN", "undefined", "null", "true",
  "a", "A", "b", "B", "aa", "Z", "_", "~", " ", "  ", " a", "a ", "\t", "\n", "\r\n", "\0", "a\0b", "\x7f", "\x80",
  ",", ",,", ":", "a,b", "a:b", ":,:", "a/b", "../", "../../etc/passwd", "//", "\\", "%2F", "%", "+", "&", "?", "#",
  "é", "e\u0301", "Å", "A\u030a", "\u212b", "ﬁ", "fi", "ß", "SS", "İ", "i\u0307", "한글", "\u1112\u1161\u11ab",
  "日本", "𠮷", "عربى", "עברית", "\u200b", "\u200d", "\ufeff", "\ufffd", "\uffff", "\ue000", "\u{10000}", "\u{10ffff}",
  "😀", "😁", "👩‍👩‍👧", "🇰🇷", "👍🏽", "a😀", "😀a", "\ud800", "\udbff", "\udc00", "\udfff", "\ud800a", "a\udc00",
  "\udc00\ud800", "\ud83d", "\ude00", "\ud83d\ud83d\ude00",
  "550e8400-e29b-41d4-a716-446655440000", "507f1f77bcf86cd799439011", "__proto__", "constructor", "x".repeat(10240),
];
const photos = ["", "https://example.com/photos/ada.png?v=2", "data:image/png;base64,iVBORw0KGgo=", "사진.png", "\ud800"];

let state = 20240229; // a linear congruential generator: the same file every time
const random = (below) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const some = (count) => Array.from({ length: count }, () => ids[random(ids.length)]);

const asked = [
  ...ids.map((id) => [id, photos[1], ["shirt", "coat"]]),
  ...ids.map((id) => ["user", photos[1], [id, "m", "\uff5e", "😀"]]),
  ...photos.flatMap((photo) => [["user", photo, []], ["user", photo, [""]], ["user", photo, ["", ""]]]),
  ["a", "p", ["b", "c"]], ["a", "p", ["b,c"]], ["a", "p", ["c", "b"]], ["a:p", "", []],
  ["user", "p", ["10", "9", "1"]], ["user", "p", ["\uffff", "😀", "\ue000", "\ud800"]], ["user", "p", ids],
  ...Array.from({ length: 60 }, () => [some(1)[0], photos[random(photos.length)], some(random(7))]),
];
const vectors = asked.map(([user, photo, garments]) => ({ user, photo, garments, key: hashKey(user, photo, garments) }));
process.stdout.write("[\n" + vectors.map((one) => JSON.stringify(one)).join(",\n") + "\n]\n");
