import { expect, test } from "bun:test";
import { createBlobPlaces } from "./blob_places.ts";

const digest = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}`;
const MINUTE = 60_000;

test("further blobs go where the last one went, for ten minutes", () => {
  const places = createBlobPlaces();
  expect(places.chosen(0)).toBeNull();
  places.chose("a", 0);
  expect(places.chosen(9 * MINUTE)).toBe("a");
  places.chose("b", 9 * MINUTE);
  expect(places.chosen(18 * MINUTE)).toBe("b");
  expect(places.chosen(19 * MINUTE)).toBeNull();
});

test("who has how many of the blobs of a model is known, however their digests are written", () => {
  const places = createBlobPlaces();
  places.stored(digest(10), "a");
  places.stored(digest(11), "a");
  places.stored(digest(11), "b");
  const asked = [digest(10).replace(":", "-"), digest(11).toUpperCase().replace("SHA", "sha"), digest(11), digest(12)];
  expect([...places.holders(asked)]).toEqual([
    ["a", 2],
    ["b", 1],
  ]);
});

test.each(["", "sha256:12", "md5:0", "__proto__"])("%j is no digest, and nobody has it", (text) => {
  const places = createBlobPlaces();
  places.stored(text, "a");
  expect(places.holders([text]).size).toBe(0);
});

test("the newest 2000 are remembered", () => {
  const places = createBlobPlaces();
  for (let number = 0; number < 2_001; number++) places.stored(digest(number), "a");
  expect(places.holders([digest(0)]).size).toBe(0);
  expect(places.holders([digest(1), digest(2_000)]).get("a")).toBe(2);
});
