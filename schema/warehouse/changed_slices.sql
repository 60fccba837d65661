-- Place: local
create table if not exists {{ warehouse }}.changed_slices (
    slice text not null,
    slice_value text not null,
    since date not null,
    constraint changed_slices_key primary key (slice, slice_value)
);

comment on table {{ warehouse }}.changed_slices is
'Slice values whose reports the running build recomputes. One row per slice value.';
comment on column {{ warehouse }}.changed_slices.slice is 'all, country, platform or utm_source.';
comment on column {{ warehouse }}.changed_slices.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ warehouse }}.changed_slices.since is
'The first day on which something may have changed.';
