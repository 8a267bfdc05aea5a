"""Where names are written so that none covers another: in a column beside lines, or around points. In points (1/72 in).

A box is (left, bottom, right, top).
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from wordalloc.errors import InputError

Floats = npt.NDArray[np.float64]
GAP = 7.0  # from a point to the edge of its name
BESIDE = 1.0  # the same where a name stands right beside its point or nowhere
FAR = 11.0  # from here on a thin line leads from a point to its name
CLEARER = 3.0  # by so much a name is nearer to its own point than to others, or a line leads to it


def spread(wanted: npt.ArrayLike, step: float, low: float, high: float) -> Floats:
    """Return heights at least `step` apart, from `low` to `high`, in the order of the wanted ones and close to them.

    Minimises Σ (height − wanted)²: with i·step taken off the i-th, that is an isotonic regression, which pooling
    adjacent violators solves (Ayer et al. 1955) and clipping keeps in bounds. Exact, O(n log n).

    Parameters
    ----------
    wanted : array_like of float, shape (n,)
        Where each would like to be.
    step, low, high : float
        There must be room: (n − 1) · step at most high − low.

    Examples
    --------
    >>> spread([50, 10, 11], 5, 0, 100)
    array([50.,  8., 13.])
    """
    heights = np.asarray(wanted, dtype=np.float64)
    order = np.argsort(heights, kind="stable")
    taken = step * np.arange(heights.size)
    means: list[float] = []
    sizes: list[int] = []
    for mean in heights[order] - taken:
        size = 1
        while means and means[-1] > mean:
            size_before = sizes.pop()
            mean = (means.pop() * size_before + mean * size) / (size_before + size)
            size += size_before
        means.append(mean)
        sizes.append(size)
    result = np.empty_like(heights)
    result[order] = np.repeat(means, sizes).clip(low, high - taken[-1]) + taken
    return result


def place(sizes: Floats, anchors: Floats, obstacles: Floats, line: Floats, frame: Floats) -> Floats:
    """Return a box for the name of each point: near it, inside the frame, and clear of obstacles and other names.

    Greedy, the most crowded point first: of the free boxes on a grid around the point, the one of least cost, which is
    the distance from the point, and more where the box covers a piece of the line, where another point is as near, and
    where the line that would lead to it crosses other names.

    Parameters
    ----------
    sizes : ndarray of float64, shape (n, 2)
        Width and height of each name.
    anchors : ndarray of float64, shape (n, 2)
        The points.
    obstacles : ndarray of float64, shape (m, 4)
        Boxes that no name may touch.
    line : ndarray of float64, shape (k, 2)
        Places that are better left free.
    frame : ndarray of float64, shape (4,)
        A box that holds all names.

    Returns
    -------
    ndarray of float64, shape (n, 4)

    Raises
    ------
    InputError
        If no free place is left.
    """
    between = np.abs(anchors[:, None] - anchors) @ [0.3, 1.0]  # names are wide: what stands above is in the way
    crowded = np.argsort(np.sort(between, axis=1)[:, 1:4].sum(axis=1), kind="stable")
    boxes = np.empty((len(sizes), 4))
    for count, index in enumerate(crowded):
        boxes_around = _boxes_around(anchors[index], sizes[index], frame)
        free = boxes_around[~_overlap(boxes_around, obstacles).any(axis=1)]
        if not len(free):
            raise InputError("the names do not fit into the picture: give fewer methods or shorter names")
        boxes[index] = free[np.argmin(_cost(free, index, anchors, line, boxes[crowded[:count]]))]
        obstacles = np.vstack([obstacles, boxes[index], _leader_boxes(boxes[index], index, anchors)])
    return boxes


def place_some(sizes: Floats, anchors: Floats, radius: float, frame: Floats) -> dict[int, tuple[int, Floats]]:
    """Return a box for the name of each point that has room beside it, in the longest form that does.

    Greedy: the earlier a point, the sooner it has its name. No name touches a marker or another name, and each is
    nearer to its own point than to any other.

    Parameters
    ----------
    sizes : ndarray of float64, shape (m, k, 2)
        Width and height of the k forms of each name, the longest first; of the first m points.
    anchors : ndarray of float64, shape (n, 2)
        The points, n at least m.
    radius : float
        How far around its point a marker reaches.
    frame : ndarray of float64, shape (4,)
        A box that holds all names.

    Returns
    -------
    dict of int to (int, ndarray of float64 of shape (4,))
        By the point's number: which form, and its box.

    Examples
    --------
    >>> anchors = np.array([[5.0, 5], [14, 5], [5, 25]])
    >>> place_some(np.full((2, 1, 2), (8.0, 4.0)), anchors, 1.0, np.array([0.0, 0, 40, 40]))
    {0: (0, array([ 1.,  7.,  9., 11.])), 1: (0, array([16.,  3., 24.,  7.]))}

    Right of the first point the second is in the way, so its name stands above.
    """
    sides = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # right, above, left, below
    out = radius + BESIDE
    placed: dict[int, tuple[int, Floats]] = {}
    names = np.empty((0, 4))
    for index, forms in enumerate(sizes):
        reach = forms.max(axis=0) + 2 * out + CLEARER  # what is farther off is in no name's way
        near = np.flatnonzero((np.abs(anchors - anchors[index]) <= reach).all(axis=1))
        taken = np.vstack([names, np.hstack([anchors[near] - radius, anchors[near] + radius])])
        for form, size in enumerate(forms):
            centres = anchors[index] + sides * (size / 2 + out)
            around = np.hstack([centres - size / 2, centres + size / 2])
            good = (around[:, :2] >= frame[:2]).all(axis=1) & (around[:, 2:] <= frame[2:]).all(axis=1)
            good &= ~_overlap(around, taken).any(axis=1)
            good &= ~_mistakable(_distances(around, anchors[near]), int(np.searchsorted(near, index)))
            if good.any():
                placed[index] = form, around[good][0]
                names = np.vstack([names, around[good][0]])
                break
    return placed


def far(box: Floats, index: int, anchors: Floats) -> bool:
    """Tell whether a thin line must lead from a point to its name: it is far, or another point is as near."""
    distances = _distances(box[None], anchors)[0]
    own = distances[index]
    return bool(own >= FAR or (np.delete(distances, index) < own + CLEARER).any())


def nearest(box: Floats, anchor: Floats) -> Floats:
    """Return the place of a box (or of each of several) that is nearest to a point: where a leading line ends."""
    return np.clip(anchor, box[..., :2], box[..., 2:])


def along(corners: Floats, step: float = 8.0) -> Floats:
    """Return places along a line of corners, no farther apart than `step`."""
    pieces = [
        start + np.linspace(0, 1, int(np.hypot(*(end - start)) / step) + 2)[:, None] * (end - start)
        for start, end in itertools.pairwise(corners)
    ]
    return np.vstack([corners, *pieces])


def _boxes_around(anchor: Floats, size: Floats, frame: Floats) -> Floats:
    """Return the boxes inside the frame, on a grid through the places right beside, above and below the point."""
    width, height = size
    reach = frame[2:] - frame[:2]
    x = np.concatenate([[0, GAP + width / 2, -GAP - width / 2], np.arange(-reach[0], reach[0], 8)])
    y = np.concatenate([[0, GAP + height / 2, -GAP - height / 2], np.arange(-reach[1], reach[1], 4)])
    centres = anchor + np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    boxes = np.hstack([centres - size / 2, centres + size / 2])
    inside = (boxes[:, :2] >= frame[:2]).all(axis=1) & (boxes[:, 2:] <= frame[2:]).all(axis=1)
    return boxes[inside]


def _overlap(boxes: Floats, others: Floats) -> npt.NDArray[np.bool_]:
    """Tell which boxes overlap which others, (boxes, others)."""
    left, bottom, right, top = boxes.T[..., None]
    return (left < others[:, 2]) & (bottom < others[:, 3]) & (right > others[:, 0]) & (top > others[:, 1])


def _cost(boxes: Floats, index: int, anchors: Floats, line: Floats, placed: Floats) -> Floats:
    distances = _distances(boxes, anchors)
    own = distances[:, index]
    mistakable = _mistakable(distances, index)
    covered = _overlap(boxes, np.hstack([line, line])).sum(axis=1)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 - anchors[index]
    taste = np.abs(centre) @ [0.01, 0.05] + 2.5 * (centre[:, 0] <= 0) + (centre[:, 1] < 0)  # right, then above
    crossed = _crossed(boxes, anchors[index], placed)
    return own + 8 * mistakable + 20 * crossed + np.minimum(3 * covered, 15) + taste


def _mistakable(distances: Floats, index: int) -> npt.NDArray[np.bool_]:
    """Tell for each box whether another point is about as near to it as its own, by (boxes, points) distances."""
    nearer = np.delete(distances, index, axis=1) < distances[:, index, None] + CLEARER
    return np.any(nearer, axis=1)


def _crossed(boxes: Floats, anchor: Floats, placed: Floats) -> npt.NDArray[np.int64]:
    """Count the names that the line from a point to each box crosses, by looking at places along it."""
    ends = nearest(boxes, anchor)
    crossed = np.zeros((len(boxes), len(placed)), dtype=bool)
    for share in np.linspace(0, 1, 16):
        there = anchor + share * (ends - anchor)
        crossed |= _overlap(np.hstack([there, there]), placed)
    return crossed.sum(axis=1)


def _distances(boxes: Floats, anchors: Floats) -> Floats:
    """Return how far each box is from each point, (boxes, points)."""
    x, y = np.moveaxis(nearest(boxes[:, None], anchors) - anchors, 2, 0)
    return np.hypot(x, y)


def _leader_boxes(box: Floats, index: int, anchors: Floats) -> Floats:
    """Return small boxes along the line that leads to a far name, which later names must not cover."""
    if not far(box, index, anchors):
        return np.empty((0, 4))
    start = anchors[index]
    end = nearest(box, start)
    places = start + np.linspace(0, 1, int(np.hypot(*(end - start)) / 3) + 1)[:, None] * (end - start)
    return np.hstack([places - 0.5, places + 0.5])
