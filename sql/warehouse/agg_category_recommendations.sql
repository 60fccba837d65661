-- warehouse.agg_category_recommendations
-- Grain: one row per user and category never used (user_id, transaction_category), at most five.
-- Rerun: changed keys; users who have changed, and all when the model is another one than in
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

used as materialized (
    select user_id, transaction_category, affinity
    from due
    inner join {{ warehouse }}.agg_user_categories using (user_id)
),

-- Of equal contributions the reason is the first by name.
scores as (
    select
        used.user_id,
        similarities.similar_category as transaction_category,
        round(sum(similarity * used.affinity), 6) as score,
        (
            array_agg(
                used.transaction_category
                order by similarity * used.affinity desc, used.transaction_category collate "C"
            )
        )[1] as reason
    from used
    inner join {{ warehouse }}.model_category_similarities as similarities
        on similarities.transaction_category = used.transaction_category
    left join used as known
        on
            known.user_id = used.user_id
            and known.transaction_category = similarities.similar_category
    where known.user_id is null
    group by used.user_id, similarities.similar_category
),

ranked as (
    select
        user_id,
        transaction_category,
        reason,
        score,
        row_number() over (
            partition by user_id order by score desc, transaction_category collate "C"
        ) as rank
    from scores
    where score > 0
)

insert into {{ this }} (user_id, transaction_category, rank, reason, support, score)
select
    ranked.user_id,
    ranked.transaction_category,
    ranked.rank,
    ranked.reason,
    similarities.users as support,
    trim_scale(ranked.score) as score
from ranked
inner join {{ warehouse }}.model_category_similarities as similarities
    on
        similarities.transaction_category = ranked.reason
        and similarities.similar_category = ranked.transaction_category
where
    ranked.rank <= 5
    -- The old rows must be out before the new ones go in: counting them makes it so.
    and (select count(*) from gone) >= 0;

delete from {{ state }};

insert into {{ state }} (fitted_on)
select distinct fitted_on
from {{ warehouse }}.model_category_similarities;
