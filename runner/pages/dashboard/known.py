"""What sums tell. A figure is a form: a sum of unknown numbers, each with a factor. From some forms
others can be computed: all their linear combinations, whatever the numbers are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush

# Factors are counted modulo a prime, from minus to plus the half of it: nearly all are 1 or -1.
PRIME = 2**61 - 1
HALF = PRIME // 2
Term = tuple[int, int]
Form = dict[int, int]


class Known:
    """The forms that are known, and those that must not become so.

    A known form gives one of its unknowns as a form of others. Put in for it everywhere, what is
    left of a form is nothing where it is known, and a multiple of what is left of a second one
    where this one would tell it.
    """

    def __init__(self) -> None:
        self._given: dict[int, Form] = {}
        self._order: dict[int, int] = {}  # which was given when
        self._secrets: list[Form] = []
        self._within: dict[int, set[int]] = defaultdict(set)  # the secrets with an unknown

    def learn(self, form: Iterable[Term]) -> None:
        """Add a form that everybody knows, before there are secrets."""
        if left := self._left(form):
            self._give(left, max(left))

    def keep(self, form: Iterable[Term]) -> None:
        """Add a secret, unless it is known."""
        if left := self._left(form):
            for unknown in left:
                self._within[unknown].add(len(self._secrets))
            self._secrets.append(left)

    def has(self, form: Iterable[Term]) -> bool:
        """Return whether a form can be computed."""
        return not self._left(form)

    def show(self, *forms: Iterable[Term]) -> bool:
        """Make forms known unless, together, they tell a secret; return whether they are."""
        is_alone = len(forms) < 2
        if not is_alone and any(self._betrays(self._left(form)) for form in forms):
            return False
        return all([self._show(self._left(form)) for form in forms])

    def _show(self, left: Form) -> bool:
        if not left:
            return True
        if self._betrays(left):
            return False
        self._give(left, self._rarest(left))
        return True

    def _rarest(self, form: Form) -> int:
        within = self._within
        return min(form, key=lambda each: len(within[each]) if each in within else 0)

    def _betrays(self, form: Form) -> bool:
        """Return whether a secret is a multiple of a form."""
        if not form or not (within := self._within.get(rarest := self._rarest(form))):
            return False
        factor = form[rarest]
        return any(
            len(secret) == len(form)
            and secret.keys() == form.keys()
            and all(
                not (secret[each] * factor - form[each] * secret[rarest]) % PRIME for each in form
            )
            for secret in map(self._secrets.__getitem__, within)
        )

    def _give(self, form: Form, unknown: int) -> None:
        """Solve a form for an unknown, and put it into all secrets."""
        factor = form.pop(unknown)
        by = -factor if abs(factor) == 1 else pow(-factor, -1, PRIME)
        given = {each: _near(value * by) for each, value in form.items()}
        self._order[unknown] = len(self._order)
        self._given[unknown] = given
        for place in self._within.pop(unknown, ()):
            secret = self._secrets[place]
            times = secret.pop(unknown)
            for each, value in given.items():
                sum_ = _near(secret.get(each, 0) + times * value)
                if not sum_:
                    del secret[each]
                    self._within[each].discard(place)
                else:
                    if each not in secret:
                        self._within[each].add(place)
                    secret[each] = sum_

    def _left(self, form: Iterable[Term]) -> Form:
        """Return what is left of a form after all that is known is put in."""
        left: Form = {}
        for unknown, factor in form:
            if not (sum_ := left.get(unknown, 0) + factor):
                del left[unknown]
            else:
                left[unknown] = sum_
        given, order = self._given, self._order
        if given.keys().isdisjoint(left):
            return left
        # What was given later has nothing in it that was given before.
        waiting = [(order[each], each) for each in left if each in given]
        heapify(waiting)
        while waiting:
            _, unknown = heappop(waiting)
            times = left.pop(unknown, 0)
            for each, value in self._of(unknown).items() if times else ():
                if not (sum_ := _near(left.get(each, 0) + times * value)):
                    del left[each]
                else:
                    if each not in left and each in given:
                        heappush(waiting, (order[each], each))
                    left[each] = sum_
        return left

    def _of(self, unknown: int) -> Mapping[int, int]:
        found = self._given[unknown]
        if not self._given.keys().isdisjoint(found):
            found = self._given[unknown] = self._left(found.items())
        return found


def _near(factor: int) -> int:
    if -HALF <= factor <= HALF:
        return factor
    return (factor + HALF) % PRIME - HALF
