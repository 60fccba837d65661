-- A run of a new kind: what it forgot is gone, and how much that was stays.

alter table orchestrator.runs
drop constraint kind_is_known,
add constraint kind_is_known check (
    kind in (
        'window',
        'sweep',
        'backfill',
        'reconcile',
        'undo',
        'forget',
        'build',
        'script',
        'rebuild',
        'verify'
    )
);
