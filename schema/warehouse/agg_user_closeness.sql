-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_closeness (
    user_id text not null,
    closeness double precision[] not null,
    constraint agg_user_closeness_key primary key (user_id)
);

comment on table {{ warehouse }}.agg_user_closeness is
'How near the centre of each cluster is to a user, by all features but recency. One row per user.';
comment on column {{ warehouse }}.agg_user_closeness.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_closeness.closeness is
'For each cluster, in their order: 2 x.c - c.c in millionths of a millionth, where x is the place '
'of the user with a recency of 0, and c the centre. With that of recency, the largest is nearest.';
