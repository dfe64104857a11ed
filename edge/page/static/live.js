// The live picture on its canvas: at most one request under way, at most ten a second, and its age is known.

const SHORTEST_MS = 100;
const PATIENCE_MS = 2000;

/** A picture that follows the box: `follow()` on each view; `age_ms()` since the last one that was drawn. */
export function liveOn(canvas) {
  const pen = canvas.getContext("2d", { alpha: false });
  const picture = { frame: -1, drawn: null, asked: -Infinity, isAsking: false };

  async function follow(newest) {
    const now = performance.now();
    if (newest === null || newest === picture.frame || picture.isAsking || now - picture.asked < SHORTEST_MS) return;
    if (newest < picture.frame) picture.frame = -1; // the service was started anew
    picture.isAsking = true;
    picture.asked = now;
    try {
      const answer = await fetch(`/api/live.jpg?after=${picture.frame}`, {
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (answer.status === 200) await draw(await answer.blob(), Number(answer.headers.get("X-Frame")));
    } catch {
      // the picture grows old, and says so
    } finally {
      picture.isAsking = false;
    }
  }

  async function draw(blob, frame) {
    const bitmap = await createImageBitmap(blob);
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    }
    pen.drawImage(bitmap, 0, 0);
    bitmap.close(); // its memory now, not when the collector comes round
    picture.frame = frame;
    picture.drawn = performance.now();
  }

  return {
    follow,
    age_ms: () => (picture.drawn === null ? null : performance.now() - picture.drawn),
  };
}
