"""Which project a target belongs to: if two shared one, each would drop the other's records."""

from collections.abc import Sequence

from runner.build.fingerprint import ITS_SQL
from runner.build.plan import NEVER_BUILT, Step
from runner.database.session import Session
from runner.errors import StartError
from runner.project.manifest import MANIFEST, Manifest
from runner.project.target import Target

SAME_OR_OTHER = (
    f'if it is the same project, write name = "..." in {MANIFEST}; otherwise give this one a'
    " database of its own (DATABASE_URL)"
)


def check_owner(session: Session, manifest: Manifest, target: Target) -> None:
    """Raise StartError if a target belongs to another project.

    If either has no name, scripts tell them apart: a project that has none of the scripts that were
    built is another one. If neither has a name, one that lacks any of them is refused as well.
    """
    values = {"target": target.name, "scripts": list(manifest.scripts)}
    [found] = session.named("build/owner.owner", **values)
    owner, name = found["owner"], manifest.name
    if owner is not None and owner == name:
        return
    if owner is None and (not found["stranger"] or (name and found["shares"])):
        return
    if owner is None and found["shares"]:
        raise StartError(
            f"target {target.name} contains {found['stranger']}, which this project has no script"
            " for: another project may have built it; nothing was changed",
            SAME_OR_OTHER,
        )
    whose = f"project {owner}" if owner else f"another project, with {found['stranger']}"
    who = f"a project without a name in {MANIFEST}"
    fix = f'if it is the same project, write name = "{owner or "..."}" in {MANIFEST}'
    if name:
        who = f"project {name}"
        fix = (
            "if it is the same project under another name: insert into orchestrator.targets"
            f" (target, owner) values ('{target.name}', '{name}')"
            " on conflict (target) do update set owner = excluded.owner"
        )
    problem = f"target {target.name} belongs to {whose}; this is {who}, and nothing was changed"
    raise StartError(problem, f"give this project a database of its own (DATABASE_URL); {fix}")


def check_texts(manifest: Manifest, target: Target, steps: Sequence[Step]) -> list[str]:
    """For a project without a name, raise StartError if the SQL of every script that was built
    differs, and return a warning if that of some does.
    """
    built = [step for step in steps if step.reason != NEVER_BUILT]
    changed = [step for step in built if ITS_SQL in step.changed]
    if manifest.name or not changed:
        return []
    if len(changed) == len(built) > 1:
        raise StartError(
            f"target {target.name} was built from other SQL: all {len(built)} scripts differ, and"
            f" without a name in {MANIFEST} another project cannot be told from a changed one;"
            " nothing was changed",
            SAME_OR_OTHER,
        )
    return [
        f"{MANIFEST} has no name: if another project builds target {target.name} from scripts of"
        ' the same names, each replaces what the other has built; write name = "..." there'
    ]


def record_owner(work: Session, manifest: Manifest, target: Target) -> None:
    """Record the owner of a target, in the transaction of a build."""
    work.named("build/owner.record", target=target.name, owner=manifest.name)
