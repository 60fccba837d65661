-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_activity (
    user_id text not null,
    slice text not null,
    slice_value text not null,
    active_days date[],
    constraint agg_user_activity_key primary key (user_id, slice, slice_value)
) with (fillfactor = 70);

comment on table {{ warehouse }}.agg_user_activity is
'On which days a user was active, per slice. One row per user and slice value; the list is null '
'where it is the same as in slice all. The view agg_user_active_days has a list in each row.';
comment on column {{ warehouse }}.agg_user_activity.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_activity.slice is
'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_user_activity.slice_value is 'Member of the slice.';
comment on column {{ warehouse }}.agg_user_activity.active_days is
'Distinct days with an event that counts, in order. Null where they are the same as in slice all.';
