-- warehouse.agg_category_recommendations
-- Grain: one row per user and category never used (user_id, transaction_category).
-- Rerun: whole; linear in users. One event moves similarities, and with them everybody's scores.
-- Why:   what to offer whom, and because of what. Whole millionths add up to the same in whatever
--        order, so that every server gives the same scores.

insert into {{ this }} (
    user_id,
    transaction_category,
    rank,
    reason,
    support,
    score
)
with used as (
    select
        categories.user_id,
        categories.transaction_category,
        (1000000 * categories.affinity)::bigint as affinity
    from {{ warehouse }}.agg_user_categories as categories
),

similar_pairs as (
    select
        similarities.transaction_category,
        similarities.similar_category,
        similarities.users,
        (1000000 * similarities.similarity)::bigint as similarity,
        dense_rank() over (order by similarities.transaction_category collate "C") as number
    from {{ warehouse }}.agg_category_similarities as similarities
),

users as (
    select distinct used.user_id
    from used
),

categories as (
    select distinct similar_pairs.transaction_category
    from similar_pairs
),

unused as (
    select
        users.user_id,
        categories.transaction_category
    from users
    cross join categories
    except
    select
        used.user_id,
        used.transaction_category
    from used
),

scores as (
    select
        unused.user_id,
        unused.transaction_category,
        round(sum(used.affinity * similar_pairs.similarity) / 1000000000000, 6) as score,
        -- Of equal parts the one whose category has the smaller number is the largest.
        max(
            array[
                used.affinity * similar_pairs.similarity,
                -similar_pairs.number,
                similar_pairs.users
            ]
        ) as largest_part
    from unused
    inner join used on used.user_id = unused.user_id
    inner join similar_pairs
        on
            similar_pairs.transaction_category = used.transaction_category
            and similar_pairs.similar_category = unused.transaction_category
    group by
        unused.user_id,
        unused.transaction_category
),

-- One row: the categories by their numbers.
names as (
    select
        array_agg(
            categories.transaction_category
            order by categories.transaction_category collate "C"
        ) as in_order
    from categories
)

select
    scores.user_id,
    scores.transaction_category,
    row_number() over (
        partition by scores.user_id
        order by scores.score desc, scores.transaction_category collate "C" asc
    ) as rank,
    (select names.in_order from names)[-scores.largest_part[2]] as reason,
    scores.largest_part[3] as support,
    scores.score
from scores
where scores.score > 0;
