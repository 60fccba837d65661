-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_recommendations (
    user_id text not null,
    transaction_categories text[] not null,
    reasons text[] not null,
    supports bigint[] not null,
    scores numeric[] not null,
    constraint agg_user_recommendations_key primary key (user_id)
);

comment on table {{ warehouse }}.agg_user_recommendations is
'What to offer a user: the best five categories never used, by similarity to the used ones. One '
'row per user; none for users who have used everything, or nothing yet.';
comment on column {{ warehouse }}.agg_user_recommendations.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_recommendations.transaction_categories is
'Categories that the user has never used, the best first: by score, then by name. Never unknown.';
comment on column {{ warehouse }}.agg_user_recommendations.reasons is
'For each, the used category that adds the largest part of the score.';
comment on column {{ warehouse }}.agg_user_recommendations.supports is
'For each, users of the model''s sample who used both this category and the reason.';
comment on column {{ warehouse }}.agg_user_recommendations.scores is
'For each, the sum of similarity x affinity over the categories of the user.';
