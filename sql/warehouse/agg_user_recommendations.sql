-- warehouse.agg_user_recommendations
-- Grain: one row per user with a category to offer (user_id), at most five of them, the best first.
-- Rerun: changed keys; users with a changed category, and everybody when the model is another one
--        than in warehouse.agg_user_recommendations_basis.
-- Why:   what to offer whom, and because of what. With each event of a user all of it changes, so
--        it is one row; the view agg_category_recommendations has one for each category.

-- Waived: union, of users alone: 1 GB is fifty million.
with due as materialized (
    select user_id from {{ warehouse }}.changed_user_categories
    union
    select user_id
    from {{ warehouse }}.dim_users
    where
        not exists (
            select 1 from {{ state }}
            inner join {{ warehouse }}.model_category_similarities using (fitted_on)
        )
),

gone as (
    delete from {{ this }}
    where user_id in (select user_id from due)
    returning user_id
),

-- Names in their order, as numbers; fifty in a row are a block.
categories as materialized (
    select
        transaction_category,
        number,
        number / 50 as block,
        1 + number % 50 as place
    from (
        select
            transaction_category,
            (row_number() over (order by transaction_category collate "C"))::integer as number
        from (
            select distinct transaction_category from {{ warehouse }}.model_category_similarities
        ) as known
    ) as numbered
),

-- In whole millionths. What a user uses is not offered: no other score is as high as its own.
similarities as materialized (
    select
        pairs.transaction_category,
        other.block,
        other.place,
        users,
        (1000000 * similarity)::bigint as similarity
    from {{ warehouse }}.model_category_similarities as pairs
    inner join categories as other on other.transaction_category = similar_category
    union all
    select transaction_category, block, place, 0 as users, 1000000000000 as similarity
    from categories
),

-- How alike a category is to each of a block: as an array, and side by side in one long number,
-- twenty digits each. A product and a sum of such numbers are those of fifty categories.
lines as materialized (
    select
        transaction_category,
        number,
        block,
        array_agg(coalesce(known.similarity, 0) order by place) as line_similarities,
        array_agg(coalesce(known.users, 0) order by place) as line_users,
        string_agg(lpad(coalesce(known.similarity, 0)::text, 20, '0'), '' order by place)::numeric
            as line
    from (select distinct transaction_category, block from similarities) as related
    cross join generate_series(1, 50) as places (place)
    left join similarities as known using (transaction_category, block, place)
    inner join (select number, transaction_category from categories) as names
        using (transaction_category)
    group by transaction_category, number, block
),

-- User by user, so that a build of few reads few.
totals as (
    select user_id, block, total, numbers, used, affinities, similarities, users
    from due
    cross join lateral (
        select
            block,
            sum((1000000 * affinity)::bigint * line) as total,
            array_agg(number) as numbers,
            array_agg(transaction_category) as used,
            array_agg((1000000 * affinity)::bigint) as affinities,
            array_agg(line_similarities) as similarities,
            array_agg(line_users) as users
        from {{ warehouse }}.agg_user_categories as categories_of_user
        inner join lines using (transaction_category)
        where categories_of_user.user_id = due.user_id
        group by categories_of_user.user_id, block
    ) as totals
),

-- The best five of each block. Half a millionth is added to all scores, and the digits beyond are
-- cut off; a one before them keeps their zeros. The reason is what contributes most, of equal ones
-- the first by name: both in one number, whose last 17 bits say which.
scores as materialized (
    select
        user_id,
        50 * block + place - 1 as number,
        convert_from(score, 'UTF8')::bigint * 0.000001 as score,
        used[reason] as reason,
        users[reason][place] as support
    from totals
    cross join lateral (
        with digits as materialized (
            select
                convert_to(
                    (total + ('1' || repeat('00000000000000500000', 50))::numeric)::text, 'UTF8'
                ) as digits
        ),

        of_places as materialized (
            select place, substr(digits, 20 * place - 18, 14) as score
            from digits
            cross join generate_series(1, 50) as places (place)
        )

        select place, score
        from of_places
        where score between '00000000000001' and '00099999999999'
        order by score desc, place
        limit 5
    ) as best
    cross join lateral (
        select
            array_position(
                numbers,
                131071
                - (
                    max(affinity * similarities[i][place] * 131072 + 131071 - number) % 131072
                )::integer
            ) as reason
        from unnest(numbers, affinities) with ordinality as contributions (number, affinity, i)
    ) as reasons
)

insert into {{ this }} (user_id, transaction_categories, reasons, supports, scores)
select
    user_id,
    (array_agg(transaction_category order by score desc, number))[:5] as transaction_categories,
    (array_agg(reason order by score desc, number))[:5] as reasons,
    (array_agg(support order by score desc, number))[:5] as supports,
    (array_agg(trim_scale(score) order by score desc, number))[:5] as scores
from scores
inner join categories using (number)
-- The old rows must be out before the new ones go in: counting them makes it so.
where (select count(*) from gone) >= 0
group by user_id;

delete from {{ state }};

insert into {{ state }} (fitted_on)
select distinct fitted_on
from {{ warehouse }}.model_category_similarities;
