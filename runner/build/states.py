"""Selections that depend on the last build of a target: what changed since, what failed in it."""

from runner.build.plan import NEVER_BUILT, Step
from runner.database.session import Session
from runner.project.manifest import Manifest
from runner.project.target import Target

CHANGED, FAILED = "state:changed", "result:failed"


def states(
    session: Session, manifest: Manifest, target: Target, steps: list[Step]
) -> dict[str, set[str]]:
    """Return the scripts whose text is not the one that was built, or that were never built; and
    those that failed in the last build, if it failed: themselves, or a check of theirs.
    """
    failed = session.named("build/states.failed", target=target.name)
    return {
        CHANGED: {step.script.key for step in steps if step.changed or step.reason == NEVER_BUILT},
        FAILED: {row["script"] for row in failed},
    }
