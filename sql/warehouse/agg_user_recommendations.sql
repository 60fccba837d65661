-- warehouse.agg_user_recommendations
-- Grain: one row per user with a category to offer (user_id): up to five of them, the best first.
-- Rerun: changed keys; replaces the users with a changed category, or everybody if the model is not
--        the one in warehouse.agg_user_recommendations_basis.
-- Why:   what to offer to whom, and because of what. Any event of a user may change all five, so
--        they share a row; the view agg_category_recommendations has a row for each.

-- The score of a category is the sum of similarity x affinity over the categories that a user has
-- used. Pair by pair that takes long, so fifty scores are computed at once: the similarities to a
-- block of fifty categories are packed into one number, twenty digits for each. An affinity times
-- such a number is fifty products, and the sum of such numbers is fifty sums. In steps:
-- 1. number the categories, and pack their similarities;
-- 2. multiply and add, for each user and block;
-- 3. unpack the best five of each block, and find their reasons;
-- 4. keep the best five of all.

-- Waived: union, of user ids alone: 1 GB holds fifty million.
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

removed as (
    delete from {{ this }}
    where user_id in (select user_id from due)
    returning user_id
),

-- Numbered by name, from 1; position is the place in the block, from 1 to 50.
categories as materialized (
    select
        transaction_category,
        number,
        number / 50 as block,
        1 + number % 50 as position
    from (
        select
            transaction_category,
            (row_number() over (order by transaction_category collate "C"))::integer as number
        from (
            select distinct transaction_category from {{ warehouse }}.model_category_similarities
        ) as names
    ) as numbered
),

-- In millionths. What a user has used must not be offered: a category is so similar to itself that
-- its score has more digits than any other, and step 3 leaves it out.
similarities as materialized (
    select
        pairs.transaction_category, other.block, other.position, users,
        (1000000 * similarity)::bigint as similarity
    from {{ warehouse }}.model_category_similarities as pairs
    inner join categories as other on other.transaction_category = similar_category
    union all
    select transaction_category, block, position, 0 as users, 1000000000000 as similarity
    from categories
),

-- One row per category and block that it has a similarity to.
packed_similarities as materialized (
    select
        transaction_category, number, block,
        array_agg(coalesce(known.similarity, 0) order by position) as block_similarities,
        array_agg(coalesce(known.users, 0) order by position) as block_users,
        string_agg(
            lpad(coalesce(known.similarity, 0)::text, 20, '0'), '' order by position
        )::numeric as packed
    from (select distinct transaction_category, block from similarities) as blocks
    cross join generate_series(1, 50) as positions (position)
    left join similarities as known using (transaction_category, block, position)
    inner join (select transaction_category, number from categories) as numbers
        using (transaction_category)
    group by transaction_category, number, block
),

-- One row per user and block; the arrays have an element per used category. User by user, so that a
-- build of few users reads only these.
packed_scores as (
    select user_id, block, packed, numbers, used, affinities, similarities, users
    from due
    cross join lateral (
        select
            block,
            sum((1000000 * affinity)::bigint * packed) as packed,
            array_agg(number) as numbers,
            array_agg(transaction_category) as used,
            array_agg((1000000 * affinity)::bigint) as affinities,
            array_agg(block_similarities) as similarities,
            array_agg(block_users) as users
        from {{ warehouse }}.agg_user_categories as categories_of_user
        inner join packed_similarities using (transaction_category)
        where categories_of_user.user_id = due.user_id
        group by categories_of_user.user_id, block
    ) as products
),

best_of_blocks as materialized (
    select
        user_id,
        50 * block + position - 1 as number,
        convert_from(score, 'UTF8')::bigint * 0.000001 as score,
        used[reason] as reason,
        users[reason][position] as support
    from packed_scores
    -- A product of millionths has twelve digits behind the point, of which a score keeps six:
    -- adding half a millionth and cutting off six digits rounds it. The 1 in front keeps leading
    -- zeros. Of bytes a part is found at once, of text only from the start.
    cross join lateral (
        with all_digits as materialized (
            select
                convert_to(
                    (packed + ('1' || repeat('00000000000000500000', 50))::numeric)::text, 'UTF8'
                ) as digits
        ),

        unpacked as materialized (
            select position, substr(digits, 20 * position - 18, 14) as score
            from all_digits
            cross join generate_series(1, 50) as positions (position)
        )

        select position, score
        from unpacked
        where score between '00000000000001' and '00099999999999'
        order by score desc, position
        limit 5
    ) as best
    -- The reason is the used category that adds most to the score, of equal ones the first by name.
    -- Its number is packed behind what it adds, as 131071 - number, so that one max() finds both.
    cross join lateral (
        select
            array_position(
                numbers,
                131071
                - (
                    max(affinity * similarities[i][position] * 131072 + 131071 - number) % 131072
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
from best_of_blocks
inner join categories using (number)
-- Reading what the delete returns makes it run before the insert.
where (select count(*) from removed) >= 0
group by user_id;

delete from {{ state }};

insert into {{ state }} (fitted_on)
select distinct fitted_on
from {{ warehouse }}.model_category_similarities;
