-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_category_recommendations (
    user_id text not null,
    transaction_category text not null,
    rank integer not null,
    reason text not null,
    support bigint not null,
    score numeric not null,
    constraint agg_category_recommendations_key primary key (user_id, transaction_category)
);

comment on table {{ warehouse }}.agg_category_recommendations is
'What to offer a user: the best five categories never used, because of those that are. One row per '
'user and category; none for who has used everything, or nothing yet.';
comment on column {{ warehouse }}.agg_category_recommendations.user_id is 'The user.';
comment on column {{ warehouse }}.agg_category_recommendations.transaction_category is
'A category that the user has never used; never unknown.';
comment on column {{ warehouse }}.agg_category_recommendations.rank is
'1 is the best for this user: by score, then by name.';
comment on column {{ warehouse }}.agg_category_recommendations.reason is
'The category of the user that speaks for it most: it adds the largest part of the score.';
comment on column {{ warehouse }}.agg_category_recommendations.support is
'Users of the model''s sample who used both this category and the reason.';
comment on column {{ warehouse }}.agg_category_recommendations.score is
'Sum of similarity x affinity over the categories of the user; compares categories of one user.';
