-- warehouse.agg_category_similarities
-- Grain: one row per pair of categories that share a user (transaction_category, similar_category).
-- Rerun: whole; as many rows as pairs of categories.
-- Why:   categories are alike if the same users use both, and use them much. No name says so: who
--        has an unknown category is in none that could be offered, so unknown is like no other.
--        Affinities have 6 digits, so whole millionths add up to the same in whatever order.

insert into {{ this }} (
    transaction_category,
    similar_category,
    users,
    similarity
)
with used as (
    select
        categories.user_id,
        categories.transaction_category,
        (1000000 * categories.affinity)::bigint as affinity
    from {{ warehouse }}.agg_user_categories as categories
    where categories.transaction_category <> 'unknown'
),

lengths as (
    select
        used.transaction_category,
        sum(used.affinity * used.affinity) as squared
    from used
    group by used.transaction_category
),

pairs as (
    select
        used.transaction_category,
        other.transaction_category as similar_category,
        count(*) as users,
        sum(used.affinity * other.affinity) as product
    from used
    inner join used as other
        on
            other.user_id = used.user_id
            and other.transaction_category > used.transaction_category
    group by
        used.transaction_category,
        other.transaction_category
)

select
    ordered.transaction_category,
    ordered.similar_category,
    pairs.users,
    round(pairs.product / sqrt(one_length.squared * other_length.squared), 6) as similarity
from pairs
inner join lengths as one_length on one_length.transaction_category = pairs.transaction_category
inner join lengths as other_length
    on other_length.transaction_category = pairs.similar_category
cross join lateral (
    values
    (pairs.transaction_category, pairs.similar_category),
    (pairs.similar_category, pairs.transaction_category)
) as ordered (transaction_category, similar_category);
