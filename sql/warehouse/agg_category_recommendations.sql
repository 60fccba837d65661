-- warehouse.agg_category_recommendations
-- Grain: one row per user and category never used (user_id, transaction_category), at most five.
-- Rerun: changed keys; and everybody when the model is another one than in
--        warehouse.agg_category_recommendations_basis.
-- Why:   what to offer whom, and because of what.

with due as (
    select user_id from {{ warehouse }}.changed_users
    union
    select user_id
    from {{ warehouse }}.dim_users
    where
        not exists (
            select from {{ state }}
            inner join {{ warehouse }}.model_category_similarities using (fitted_on)
        )
),

gone as (
    delete from {{ this }}
    where user_id in (select user_id from due)
    returning user_id
),

-- Whole millionths in double precision: their sums are exact, and quick. Users are looked up one by
-- one, so that a build of few reads few.
used as materialized (
    select user_id, transaction_category, (1000000 * affinity)::double precision as affinity
    from due
    cross join lateral (
        select transaction_category, affinity
        from {{ warehouse }}.agg_user_categories as categories
        where categories.user_id = due.user_id
        order by transaction_category
    ) as looked_up
),

similarities as materialized (
    select
        transaction_category,
        similar_category,
        users,
        (1000000 * similarity)::double precision as similarity
    from {{ warehouse }}.model_category_similarities
),

scores as (
    select
        user_id,
        similar_category,
        round(sum(similarity * affinity)::bigint * 0.000000000001, 6) as score
    from used
    inner join similarities using (transaction_category)
    group by user_id, similar_category
),

ranked as (
    select
        scores.user_id,
        similar_category,
        score,
        row_number() over (
            partition by scores.user_id order by score desc, similar_category collate "C"
        ) as rank
    from scores
    left join used on used.user_id = scores.user_id and transaction_category = similar_category
    where used.user_id is null and score > 0
),

candidates as materialized (
    select user_id, similar_category, rank, score, transaction_category, affinity
    from ranked
    inner join used using (user_id)
    where rank <= 5
),

-- The reason is what contributes most, of equal ones the first by name.
best as (
    select distinct on (user_id, rank)
        user_id,
        similar_category as transaction_category,
        rank,
        transaction_category as reason,
        users as support,
        score
    from candidates
    inner join similarities using (transaction_category, similar_category)
    order by user_id, rank, similarity * affinity desc, transaction_category collate "C"
)

insert into {{ this }} (user_id, transaction_category, rank, reason, support, score)
select user_id, transaction_category, rank, reason, support, trim_scale(score) as score
from best
-- The old rows must be out before the new ones go in: counting them makes it so.
where (select count(*) from gone) >= 0;

delete from {{ state }};

insert into {{ state }} (fitted_on)
select distinct fitted_on
from {{ warehouse }}.model_category_similarities;
