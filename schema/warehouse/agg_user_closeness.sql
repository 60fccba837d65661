-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_closeness (
    user_id text not null,
    closeness double precision[] not null,
    cluster integer not null,
    next_look_on date not null,
    constraint agg_user_closeness_key primary key (user_id)
);

comment on table {{ warehouse }}.agg_user_closeness is
'Which cluster a user is in: the one with the nearest centre. One row per user.';
comment on column {{ warehouse }}.agg_user_closeness.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_closeness.closeness is
'For each cluster, in order: 2 x.c - c.c in millionths of a millionth, where x is the point of '
'the user with a recency of 0, and c the centre. Once recency is added, the largest is the '
'nearest.';
comment on column {{ warehouse }}.agg_user_closeness.cluster is
'Number of the nearest cluster of model_user_clusters on the last day of the data.';
comment on column {{ warehouse }}.agg_user_closeness.next_look_on is
'Without another event, the cluster stays the same until this is the last day of the data; '
'infinity if it never changes.';
