"""The QR factorisation of a matrix: Householder reflections, with column pivoting."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from operator import mul


class QR:
    """The factorisation A P = Q R of a matrix A, which is given by its columns.

    R is an upper triangle, P an order of the columns, and Q is orthogonal. In each step the column
    with the largest remaining norm comes next: so the diagonal of R falls in size, and shows the
    rank. A has at least as many rows as columns.

    P. Businger and G. H. Golub, "Linear least squares solutions by Householder transformations",
    Numerische Mathematik 7, 1965.

    >>> qr = QR([[3.0, 4.0], [5.0, 10.0]])
    >>> [round(x, 12) for x in qr.solve([8.0, 14.0])]  # 3 x + 5 y = 8 and 4 x + 10 y = 14
    [1.0, 1.0]
    """

    def __init__(self, columns: Sequence[Sequence[float]]) -> None:
        left = [list(column) for column in columns]
        self.rows = len(left[0])
        # order[k] is the place in A of the k-th column of R.
        self.order = list(range(len(left)))
        # triangle[k] is the k-th column of R, down to its diagonal.
        self.triangle: list[list[float]] = []
        self._reflections: list[list[float]] = []
        for k in range(len(left)):
            norms = [math.hypot(*column[k:]) for column in left[k:]]
            pivot = k + norms.index(max(norms))
            left[k], left[pivot] = left[pivot], left[k]
            self.order[k], self.order[pivot] = self.order[pivot], self.order[k]
            norm = max(norms)
            column = left[k]
            # There are two reflections: this one does not cancel in the first place.
            diagonal = -math.copysign(norm, column[k])
            reflection = column[k:]
            reflection[0] -= diagonal
            length = math.hypot(*reflection)
            if length:
                reflection = [x / length for x in reflection]
            self._reflections.append(reflection)
            for other in left[k + 1 :]:
                _reflect(other, reflection, k)
            self.triangle.append([*column[:k], diagonal])

    def rank(self) -> int:
        """Return how many columns are independent, within rounding."""
        largest = abs(self.triangle[0][0])
        least = largest * sys.float_info.epsilon * self.rows
        return sum(abs(column[-1]) > least for column in self.triangle)

    def rotated(self, b: Sequence[float]) -> list[float]:
        """Return the product of Q's transpose and `b`."""
        b = list(b)
        for k, reflection in enumerate(self._reflections):
            _reflect(b, reflection, k)
        return b

    def solve(self, b: Sequence[float]) -> list[float]:
        """Return the x for which A x is closest to `b`.

        Raises ZeroDivisionError if a diagonal element of R is 0.
        """
        return self.back_substituted(self.rotated(b)[: len(self.order)])

    def back_substituted(self, b: Sequence[float]) -> list[float]:
        """Return the x for which R x, in A's order of the columns, is `b`."""
        n = len(self.order)
        x = [0.0] * n
        for k in range(n - 1, -1, -1):
            known = math.fsum(self.triangle[i][k] * x[i] for i in range(k + 1, n))
            x[k] = (b[k] - known) / self.triangle[k][k]
        in_order = [0.0] * n
        for place, number in zip(self.order, x, strict=True):
            in_order[place] = number
        return in_order

    def inverse_of_normal_matrix(self) -> list[list[float]]:
        """Return the inverse of A' A, computed from R: the product A' A would lose digits."""
        n = len(self.order)
        # Column k of the inverse of R.
        columns = [self.back_substituted([float(i == k) for i in range(n)]) for k in range(n)]
        return [
            [math.fsum(column[i] * column[j] for column in columns) for j in range(n)]
            for i in range(n)
        ]


def _reflect(column: list[float], reflection: list[float], k: int) -> None:
    tail = column[k:]
    along = 2 * math.fsum(map(mul, reflection, tail))
    column[k:] = [x - along * v for x, v in zip(tail, reflection, strict=True)]
