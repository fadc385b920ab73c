// The arithmetic of the comparison, as in cxr_edge/metrics.

// Points (false, true positive rate) from the strictest threshold to the laxest; equal scores make one step.
export function curve(scores, positive) {
  const order = scores.map((_, index) => index).sort((a, b) => scores[b] - scores[a]);
  const positives = positive.filter(Boolean).length;
  const points = [[0, 0]];
  let hits = 0;
  let misses = 0;
  for (const [rank, index] of order.entries()) {
    if (positive[index]) hits++;
    else misses++;
    if (rank + 1 === order.length || scores[order[rank + 1]] !== scores[index]) {
      points.push([misses / (positive.length - positives), hits / positives]);
    }
  }
  return points;
}

// A score at or above the threshold is called positive.
export function confuse(scores, positive, threshold) {
  const point = { threshold, truePositive: 0, falsePositive: 0, trueNegative: 0, falseNegative: 0 };
  for (const [index, score] of scores.entries()) {
    const called = score >= threshold;
    if (positive[index]) point[called ? "truePositive" : "falseNegative"]++;
    else point[called ? "falsePositive" : "trueNegative"]++;
  }
  point.sensitivity = point.truePositive / (point.truePositive + point.falseNegative);
  point.specificity = point.trueNegative / (point.trueNegative + point.falsePositive);
  return point;
}

// The 95 % interval of a part (Wilson 1927).
export function wilson(count, total) {
  if (!total) return [NaN, NaN];
  const z = 1.959964;
  const part = count / total;
  const spread = 1 + (z * z) / total;
  const middle = (part + (z * z) / (2 * total)) / spread;
  const reach = (z * Math.sqrt((part * (1 - part)) / total + (z * z) / (4 * total * total))) / spread;
  return [Math.max(0, middle - reach), Math.min(1, middle + reach)];
}

// Of points (cost, quality) those that no other beats in both, by cost.
export function front(points) {
  const best = [];
  for (const point of [...points].sort((a, b) => a[0] - b[0] || b[1] - a[1])) {
    if (!best.length || point[1] > best[best.length - 1][1]) best.push(point);
  }
  return best;
}
