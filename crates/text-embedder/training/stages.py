"""The stages of training. Each takes rows [tokens, values] and gives better ones.

Sources: token vectors, PCA and weights: MinishLab's model2vec (2024) after Arora et al., "A simple but tough-to-beat
baseline for sentence embeddings" (2017). Regression on sentence vectors: MinishLab's tokenlearn (2024), here in closed form.
In-batch negatives: van den Oord et al., arXiv 1807.03748. Matryoshka lengths: Kusupati et al., arXiv 2205.13147. The curve:
Zhu et al., "Transformers without normalization", arXiv 2503.10622, a curve for each value. Adam: arXiv 1412.6980.
"""

import time

import numpy as np

from student import normalise

SIF = 1e-3  # Arora et al.: weight of a token = SIF / (SIF + its frequency)


def principal_axes(vectors, values):
    """The `values` axes [width, values] on which unit vectors have the most of their length, without centring: products
    of what is projected on them are as near as possible to products of the originals."""
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return np.ascontiguousarray(axes[:, ::-1][:, :values])


def token_rows(tokens, axes, matrix):
    """Stage 1: the teacher's vector of each token alone, less their mean, on the axes, times its weight."""
    frequency = np.asarray(matrix.mean(0)).ravel()
    rows = (tokens - tokens.mean(0)) @ axes
    return (rows * (SIF / (SIF + frequency))[:, None]).astype(np.float32)


def regress(matrix, targets, rows, ridge, steps, report):
    """Stage 2: the rows whose mean is nearest to the teacher's vector of the whole text, by conjugate gradients on
    `|matrix rows - targets|^2 + ridge |rows - start|^2`, all values at once. `report(step, rows)` may end it early."""
    pooled = matrix @ rows
    rows = rows * np.float32((pooled * targets).sum() / (pooled * pooled).sum())
    transposed = matrix.T.tocsr()
    apply = lambda x: transposed @ (matrix @ x) + ridge * x
    change = np.zeros_like(rows)
    residual = transposed @ (targets - matrix @ rows)
    direction, power = residual.copy(), (residual * residual).sum(0)
    for step in range(steps):
        image = apply(direction)
        size = power / np.maximum((direction * image).sum(0), 1e-30)
        change += size * direction
        residual -= size * image
        before, power = power, (residual * residual).sum(0)
        direction = residual + (power / np.maximum(before, 1e-30)) * direction
        if report(step + 1, rows + change):
            break
    return rows + change


class Adam:
    """Adam over some rows of a table at a time: rows that are not in a batch stay as they are."""

    def __init__(self, shape, beta1=0.9, beta2=0.99):
        self.mean, self.square = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.beta1, self.beta2, self.step = beta1, beta2, 0

    def update(self, table, rows, gradient, rate):
        self.step += 1
        mean = self.beta1 * self.mean[rows] + (1 - self.beta1) * gradient
        square = self.beta2 * self.square[rows] + (1 - self.beta2) * gradient * gradient
        self.mean[rows], self.square[rows] = mean, square
        size = rate * np.sqrt(1 - self.beta2**self.step) / (1 - self.beta1**self.step)
        table[rows] -= size * mean / (np.sqrt(square) + 1e-10)


def softmax(scores):
    scores = np.exp(scores - scores.max(1, keepdims=True))
    return scores / scores.sum(1, keepdims=True)


def gradient_of_unit(unit, norm, gradient):
    """Gradient with respect to x of a function of `unit = x / |x|`."""
    return (gradient - unit * (unit * gradient).sum(1, keepdims=True)) / norm


def batch_gradient(queries, documents, aims, teacher_scores, settings):
    """Loss of a batch and its gradient for both sides, [batch, values] each, before normalisation.

    Three wishes: at each length, a query's own document before the others of the batch (those that the teacher finds
    nearly as good as its own do not count), and the teacher's order of all documents of the batch; and at the whole
    length, every text near to the teacher's vector of it, `aims`.
    """
    batch = len(queries)
    own = np.arange(batch)
    rival = teacher_scores > np.diag(teacher_scores)[:, None] - settings["margin"]
    rival[own, own] = False
    wanted_order = softmax(teacher_scores / settings["teacher_temperature"])
    grads = np.zeros_like(queries), np.zeros_like(documents)
    loss = 0.0
    for length, weight in settings["lengths"].items():
        norms = [np.maximum(np.linalg.norm(side[:, :length], axis=1, keepdims=True), 1e-9) for side in (queries, documents)]
        q, d = queries[:, :length] / norms[0], documents[:, :length] / norms[1]
        scores = q @ d.T
        first = scores / settings["temperature"]
        first[rival] = -1e4
        there, back = softmax(first), softmax(first.T)
        loss += weight * -np.log(there[own, own] + 1e-9).mean()
        back = back.T
        there[own, own] -= 1
        back[own, own] -= 1
        pull = (there + back) * (0.5 * settings["own"] / settings["temperature"])
        if settings["order"]:
            second = softmax(scores / settings["order_temperature"])
            pull += (second - wanted_order) * (settings["order"] / settings["order_temperature"])
        pull *= np.float32(weight / batch)
        grads[0][:, :length] += gradient_of_unit(q, norms[0], pull @ d)
        grads[1][:, :length] += gradient_of_unit(d, norms[1], pull.T @ q)
    for side, aim, grad in zip((queries, documents), aims, grads):
        known = slice(aim.shape[1])  # a model may have more values than its teacher
        norm = np.maximum(np.linalg.norm(side[:, known], axis=1, keepdims=True), 1e-9)
        grad[:, known] += gradient_of_unit(side[:, known] / norm, norm, aim * np.float32(-settings["aim"] / batch))
    return loss, grads


def batches(rng, group, size):
    """One pass over all pairs in batches of `size`, without the rest. A query that occurs twice in a batch is dropped
    the second time."""
    shuffled = rng.permutation(len(group))
    for at in range(0, len(shuffled) - size + 1, size):
        chosen = shuffled[at : at + size]
        yield chosen[np.unique(group[chosen], return_index=True)[1]]


def contrast(student, pairs, teacher, axes, settings, report):
    """Stages 3 and 4: in-batch negatives, and a curve after pooling if the student has one, by Adam.

    `pairs` has the matrices `queries` and `documents` and, for each pair, a number that equal queries have in common,
    `group`; `teacher` has the teacher's vectors of both, float16, which `axes` bring to the values of the model. `report(step, loss)` may end it early.
    """
    rng = np.random.default_rng(settings["seed"])
    rows = student.rows
    adam = Adam(rows.shape)
    curve_adam = Adam((4, rows.shape[1])) if student.curve is not None else None
    size, count = settings["batch"], len(pairs["group"])
    total = settings["epochs"] * (count // size)
    step, began = 0, time.time()
    while step < total:
        for chosen in batches(rng, pairs["group"], size):
            sides = [pairs[side][chosen] for side in ("queries", "documents")]
            pooled = [matrix @ rows for matrix in sides]
            taught = [teacher[side][chosen].astype(np.float32) for side in ("queries", "documents")]
            aims = [normalise(vectors @ axes) for vectors in taught]
            loss, grads = batch_gradient(*map(student.bend, pooled), aims, taught[0] @ taught[1].T, settings)
            rate = settings["rate"] * min(1, step / 50) * (1 - step / total)
            if curve_adam:
                grads, curve_grad = curve_gradient(student.curve, pooled, grads)
                curve_adam.update(student.curve, np.arange(4), curve_grad, rate)
            used = np.unique(np.concatenate([matrix.indices for matrix in sides]))
            gradient = sum((matrix.T.tocsr() @ grad for matrix, grad in zip(sides, grads)), 0)[used]
            adam.update(rows, used, gradient, rate)
            step += 1
            if report(step, total, loss, time.time() - began):
                return


def curve_gradient(curve, pooled, grads):
    """Gradients through `gamma * tanh(alpha * x + beta) + bias`: those of x, and those of the four [4, values]."""
    alpha, beta, gamma, _ = curve
    inner, total = [], np.zeros_like(curve)
    for x, grad in zip(pooled, grads):
        bent = np.tanh(alpha * x + beta)
        slope = grad * gamma * (1 - bent * bent)
        inner.append(slope * alpha)
        total += np.stack([(slope * x).sum(0), slope.sum(0), (grad * bent).sum(0), grad.sum(0)])
    return inner, total


def flat_curve(pooled):
    """A curve that is nearly a straight line for the values that occur."""
    spread = pooled.std(0)
    alpha = 0.3 / np.maximum(spread, 1e-6)
    return np.stack([alpha, 0 * alpha, 1 / alpha, 0 * alpha]).astype(np.float32)


