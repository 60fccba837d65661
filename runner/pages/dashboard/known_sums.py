"""Which sums can be computed from others.

A form is a sum of unknown numbers, each with a factor. Whoever knows some forms can compute all
their linear combinations, whatever the numbers are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush

# Factors are counted modulo a prime, from minus to plus half of it: nearly all are 1 or -1.
PRIME = 2**61 - 1
HALF = PRIME // 2
Term = tuple[int, int]  # an unknown and its factor
Form = dict[int, int]


class KnownSums:
    """The forms that are known, and the secrets, which must not become known.

    Each known form is solved for one of its unknowns, and the solution is put into every other
    form. Nothing remains of a form that is known, and a form reveals a secret if what remains of
    it is a multiple of what remains of the secret.
    """

    def __init__(self) -> None:
        self._solutions: dict[int, Form] = {}
        self._order: dict[int, int] = {}  # of the solutions
        self._secrets: list[Form] = []
        self._secrets_with: dict[int, set[int]] = defaultdict(set)  # by unknown

    def learn(self, form: Iterable[Term]) -> None:
        """Add a form that everybody knows; to be called before there are secrets."""
        if rest := self._reduced(form):
            self._solve(rest, max(rest))

    def protect(self, form: Iterable[Term]) -> None:
        """Make a form a secret, unless it is known."""
        if rest := self._reduced(form):
            for unknown in rest:
                self._secrets_with[unknown].add(len(self._secrets))
            self._secrets.append(rest)

    def has(self, form: Iterable[Term]) -> bool:
        """Return whether a form can be computed."""
        return not self._reduced(form)

    def show(self, *forms: Iterable[Term]) -> bool:
        """Make forms known, and return True, unless one of them reveals a secret.

        Of several forms each is tried alone first. If only some of them together reveal a secret,
        the others count as known.
        """
        if len(forms) > 1 and any(self._reveals(self._reduced(form)) for form in forms):
            return False
        is_shown = True
        for form in forms:
            rest = self._reduced(form)
            if self._reveals(rest):
                is_shown = False
            elif rest:
                self._solve(rest, self._rarest(rest))
        return is_shown

    def _rarest(self, form: Form) -> int:
        """Return the unknown that is in the fewest secrets."""
        found = self._secrets_with
        return min(form, key=lambda each: len(found[each]) if each in found else 0)

    def _reveals(self, form: Form) -> bool:
        """Return whether a secret is a multiple of a reduced form."""
        if not form or not (places := self._secrets_with.get(rarest := self._rarest(form))):
            return False
        factor = form[rarest]
        return any(
            len(secret) == len(form)
            and secret.keys() == form.keys()
            and all(
                not (secret[each] * factor - form[each] * secret[rarest]) % PRIME for each in form
            )
            for secret in map(self._secrets.__getitem__, places)
        )

    def _solve(self, form: Form, unknown: int) -> None:
        """Solve a form for an unknown, and put the solution into all secrets."""
        factor = form.pop(unknown)
        by = -factor if abs(factor) == 1 else pow(-factor, -1, PRIME)
        solution = {each: _centred(value * by) for each, value in form.items()}
        self._order[unknown] = len(self._order)
        self._solutions[unknown] = solution
        for place in self._secrets_with.pop(unknown, ()):
            secret = self._secrets[place]
            times = secret.pop(unknown)
            for each, value in solution.items():
                if sum_ := _centred(secret.get(each, 0) + times * value):
                    secret[each] = sum_
                    self._secrets_with[each].add(place)
                else:
                    del secret[each]
                    self._secrets_with[each].discard(place)

    def _reduced(self, form: Iterable[Term]) -> Form:
        """Return what remains of a form once all solutions are put in."""
        rest: Form = {}
        for unknown, factor in form:
            if sum_ := rest.get(unknown, 0) + factor:
                rest[unknown] = sum_
            else:
                del rest[unknown]
        solutions, order = self._solutions, self._order
        if solutions.keys().isdisjoint(rest):
            return rest
        # A later solution has no unknown in it that was solved before.
        waiting = [(order[each], each) for each in rest if each in solutions]
        heapify(waiting)
        while waiting:
            _, unknown = heappop(waiting)
            times = rest.pop(unknown, 0)
            for each, value in self._solution(unknown).items() if times else ():
                if not (sum_ := _centred(rest.get(each, 0) + times * value)):
                    del rest[each]
                else:
                    if each not in rest and each in solutions:
                        heappush(waiting, (order[each], each))
                    rest[each] = sum_
        return rest

    def _solution(self, unknown: int) -> Mapping[int, int]:
        """Return a solution after those that were found later are put in."""
        found = self._solutions[unknown]
        if not self._solutions.keys().isdisjoint(found):
            found = self._solutions[unknown] = self._reduced(found.items())
        return found


def _centred(factor: int) -> int:
    if -HALF <= factor <= HALF:
        return factor
    return (factor + HALF) % PRIME - HALF
