-- warehouse.model_category_similarities
-- Grain: one row per pair of categories that share a user (transaction_category, similar_category).
-- Rerun: whole; fitted again only if the users of the sample, or their categories, have changed.
-- Why:   categories are alike if the same users use both, and use them much: the cosine of their
--        affinities. The category unknown takes no part, since it could not be offered. Of users
--        with more than a hundred categories, the hundred most used count.

delete from {{ this }}
where
    fitted_on is distinct from (
        select md5(string_agg(user_id || category_events, ' ' order by user_id collate "C"))
        from {{ warehouse }}.model_sample
    );

insert into {{ this }} (
    transaction_category, similar_category, users, similarity, fitted_on
)
with counted as (
    select
        user_id,
        categories.category as transaction_category,
        events::bigint as events,
        row_number() over (
            partition by user_id order by events::bigint desc, categories.category collate "C"
        ) as place
    from {{ warehouse }}.model_sample
    cross join lateral jsonb_each_text(category_events) as categories (category, events)
    where category <> 'unknown' and not exists (select from {{ this }})
),

-- The pairs grow with the square of a user's categories.
used as materialized (
    select user_id, transaction_category, {{ warehouse }}.logarithm(events) as affinity
    from counted
    where place <= 100
),

squares as (
    select transaction_category, sum(affinity * affinity) as square
    from used
    group by transaction_category
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
            and other.transaction_category <> used.transaction_category
    group by used.transaction_category, other.transaction_category
)

select
    pairs.transaction_category, pairs.similar_category, pairs.users,
    trim_scale(round(pairs.product / sqrt(squares.square * others.square), 6)) as similarity,
    (
        select md5(string_agg(user_id || category_events, ' ' order by user_id collate "C"))
        from {{ warehouse }}.model_sample
    ) as fitted_on
from pairs
inner join squares on squares.transaction_category = pairs.transaction_category
inner join squares as others on others.transaction_category = pairs.similar_category;
