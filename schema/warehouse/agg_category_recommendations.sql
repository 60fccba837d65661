-- A view: agg_user_recommendations, category by category.

create or replace view {{ warehouse }}.agg_category_recommendations as
select
    users.user_id,
    users.transaction_categories[places.rank] as transaction_category,
    places.rank,
    users.reasons[places.rank] as reason,
    users.supports[places.rank] as support,
    users.scores[places.rank] as score
from {{ warehouse }}.agg_user_recommendations as users
cross join lateral generate_subscripts(users.transaction_categories, 1) as places (rank);

comment on view {{ warehouse }}.agg_category_recommendations is
'What to offer a user: the best five categories never used, by similarity to the used ones. One '
'row per user and category; none for users who have used everything, or nothing yet.';
comment on column {{ warehouse }}.agg_category_recommendations.user_id is 'The user.';
comment on column {{ warehouse }}.agg_category_recommendations.transaction_category is
'A category that the user has never used; never unknown.';
comment on column {{ warehouse }}.agg_category_recommendations.rank is
'1 is the best for this user: by score, then by name.';
comment on column {{ warehouse }}.agg_category_recommendations.reason is
'The used category that adds the largest part of the score.';
comment on column {{ warehouse }}.agg_category_recommendations.support is
'Users of the model''s sample who used both this category and the reason.';
comment on column {{ warehouse }}.agg_category_recommendations.score is
'Sum of similarity x affinity over the categories of the user; compares categories of one user.';
