-- K-means (Lloyd) for clusters of users, as docs/adr/0017 decides. A point has ten coordinates, in
-- whole millionths: integers add up exactly in any order, so every server and every rebuild finds
-- the same clusters.

create or replace function {{ warehouse }}.coordinate(
    logarithm numeric, mean numeric, deviation numeric
) returns bigint
language sql immutable parallel safe
return coalesce(1000000 * round((logarithm - mean) / nullif(deviation, 0), 6), 0)::bigint;

comment on function {{ warehouse }}.coordinate(numeric, numeric, numeric) is
'A value on a scale of mean 0 and deviation 1, in millionths; 0 if the deviation is 0.';

create or replace function {{ warehouse }}.product(
    one double precision[], other double precision[]
) returns double precision
language sql immutable parallel safe
return
one[1] * other[1] + one[2] * other[2] + one[3] * other[3] + one[4] * other[4]
+ one[5] * other[5] + one[6] * other[6] + one[7] * other[7] + one[8] * other[8]
+ one[9] * other[9] + one[10] * other[10];

comment on function {{ warehouse }}.product(double precision[], double precision[]) is
'Scalar product of two points. Of several centres c, the one with the largest 2 x.c - c.c is the '
'nearest to x.';

-- For each number of clusters the best of several starts, all computed side by side: in each round
-- of the loop every point goes to the nearest centre, and every centre to the mean of its points.
-- After four rounds only the best start of each number of clusters goes on. Dropped first, because
-- its columns have changed once, and a replacement must have the same ones.
drop function if exists {{ warehouse }}.k_means(text[], bigint[], integer[], integer);
create function {{ warehouse }}.k_means(
    user_ids text[], places bigint[], cluster_counts integer[], starts integer
) returns table (
    cluster_count integer,
    place bigint[],
    users bigint,
    squared_distance numeric,
    silhouette numeric
)
language plpgsql
set search_path = pg_catalog, pg_temp
-- One plan for all rounds.
set plan_cache_mode = force_generic_plan
as $function$
#variable_conflict use_column
declare
    rounds integer := 0;
    -- Closeness and number of a centre are packed into one integer; pack exceeds every number.
    pack bigint := 2 ^ ceil(log(2, 1 + (select max(wanted) from unnest(cluster_counts) as wanted)));
begin
    create temporary table k_means_points on commit drop as
    select
        point, user_id,
        places[point][1] as x1, places[point][2] as x2, places[point][3] as x3,
        places[point][4] as x4, places[point][5] as x5, places[point][6] as x6,
        places[point][7] as x7, places[point][8] as x8, places[point][9] as x9,
        places[point][10] as x10
    from unnest(user_ids) with ordinality as people (user_id, point);

    -- A start takes the first distinct points, each start in an order of its own.
    create temporary table k_means_centres on commit drop as
    with firsts as (
        select
            start,
            x1, x2, x3, x4, x5, x6, x7, x8, x9, x10,
            row_number() over (partition by start order by min(rank)) as centre
        from (
            select *, (md5(start || ':' || user_id) || user_id) collate "C" as rank
            from pg_temp.k_means_points cross join generate_series(1, starts) as numbers (start)
        ) as ranked
        group by start, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10
    ),
    counts as (
        select distinct least(wanted, (select max(centre) from firsts)) as centres
        from unnest(cluster_counts) as counts (wanted)
    )
    select
        dense_rank() over (order by centres, start) as trial,
        centres::integer as cluster_count,
        start,
        centre,
        x1 as y1, x2 as y2, x3 as y3, x4 as y4, x5 as y5,
        x6 as y6, x7 as y7, x8 as y8, x9 as y9, x10 as y10,
        true as is_moving
    from counts inner join firsts on centre <= centres;
    analyze pg_temp.k_means_points, pg_temp.k_means_centres;

    -- Until nothing changes, or for 99 rounds; the last assignment is below.
    while
        rounds < 4
        or rounds < 99 and exists (select from pg_temp.k_means_centres where is_moving)
    loop
        rounds := rounds + 1;
        -- The nearest centre y of a point x is the one with the largest 2 x.y - y.y; of equal ones,
        -- the one with the lowest number.
        with moving as materialized (
            select
                trial,
                2 * pack * y1 as y1, 2 * pack * y2 as y2, 2 * pack * y3 as y3, 2 * pack * y4 as y4,
                2 * pack * y5 as y5, 2 * pack * y6 as y6, 2 * pack * y7 as y7, 2 * pack * y8 as y8,
                2 * pack * y9 as y9, 2 * pack * y10 as y10,
                pack * (
                    y1 * y1 + y2 * y2 + y3 * y3 + y4 * y4 + y5 * y5
                    + y6 * y6 + y7 * y7 + y8 * y8 + y9 * y9 + y10 * y10
                ) + centre as square
            from pg_temp.k_means_centres
            where is_moving
        ),
        -- Point by point, so that few rows are grouped at a time.
        means as (
            select
                trial, centre,
                round(avg(x1)) as x1, round(avg(x2)) as x2, round(avg(x3)) as x3,
                round(avg(x4)) as x4, round(avg(x5)) as x5, round(avg(x6)) as x6,
                round(avg(x7)) as x7, round(avg(x8)) as x8, round(avg(x9)) as x9,
                round(avg(x10)) as x10
            from pg_temp.k_means_points
            cross join lateral (
                select
                    trial,
                    -max(
                        x1 * y1 + x2 * y2 + x3 * y3 + x4 * y4 + x5 * y5
                        + x6 * y6 + x7 * y7 + x8 * y8 + x9 * y9 + x10 * y10 - square
                    ) & (pack - 1) as centre
                from moving
                group by trial
            ) as nearest
            group by trial, centre
        ),
        -- A centre that nobody is nearest to keeps its place.
        moved as (
            select
                trial, centre,
                coalesce(x1, y1) as y1, coalesce(x2, y2) as y2, coalesce(x3, y3) as y3,
                coalesce(x4, y4) as y4, coalesce(x5, y5) as y5, coalesce(x6, y6) as y6,
                coalesce(x7, y7) as y7, coalesce(x8, y8) as y8, coalesce(x9, y9) as y9,
                coalesce(x10, y10) as y10,
                bool_or(
                    (x1, x2, x3, x4, x5, x6, x7, x8, x9, x10)
                    <> (y1, y2, y3, y4, y5, y6, y7, y8, y9, y10)
                ) over (partition by trial) as is_moving
            from pg_temp.k_means_centres
            left join means using (trial, centre)
            where is_moving
        )
        update pg_temp.k_means_centres as centres
        set (y1, y2, y3, y4, y5, y6, y7, y8, y9, y10, is_moving) = (
            moved.y1, moved.y2, moved.y3, moved.y4, moved.y5, moved.y6, moved.y7, moved.y8,
            moved.y9, moved.y10, moved.is_moving
        )
        from moved
        where centres.trial = moved.trial and centres.centre = moved.centre;

        if rounds = 4 then
            delete from pg_temp.k_means_centres
            where trial not in (
                select distinct on (cluster_count) trial
                from (
                    select trial, sum(square) as inertia
                    from pg_temp.k_means_points
                    cross join lateral (
                        select
                            trial,
                            min(
                                (x1 - y1) * (x1 - y1) + (x2 - y2) * (x2 - y2)
                                + (x3 - y3) * (x3 - y3) + (x4 - y4) * (x4 - y4)
                                + (x5 - y5) * (x5 - y5) + (x6 - y6) * (x6 - y6)
                                + (x7 - y7) * (x7 - y7) + (x8 - y8) * (x8 - y8)
                                + (x9 - y9) * (x9 - y9) + (x10 - y10) * (x10 - y10)
                            ) as square
                        from pg_temp.k_means_centres
                        group by trial
                    ) as nearest
                    group by trial
                ) as sums
                inner join pg_temp.k_means_centres using (trial)
                order by cluster_count, inertia, start
            );
        end if;
    end loop;

    return query
    with squares as (
        select
            trial, point,
            pack * (
                (x1 - y1) * (x1 - y1) + (x2 - y2) * (x2 - y2) + (x3 - y3) * (x3 - y3)
                + (x4 - y4) * (x4 - y4) + (x5 - y5) * (x5 - y5) + (x6 - y6) * (x6 - y6)
                + (x7 - y7) * (x7 - y7) + (x8 - y8) * (x8 - y8) + (x9 - y9) * (x9 - y9)
                + (x10 - y10) * (x10 - y10)
            ) + centre as packed
        from pg_temp.k_means_points
        cross join pg_temp.k_means_centres
    ),
    nearest as (
        select
            trial,
            packed[1] & (pack - 1) as centre,
            (packed[1] / pack)::numeric as own_square,
            (packed[2] / pack)::numeric as next_square
        from (
            select trial, array_agg(packed order by packed) as packed
            from squares
            group by trial, point
        ) as points
    ),
    found as (
        select
            trial, centre,
            count(*) as users,
            sum(own_square) as own_squares,
            -- 0 where two centres are at the same point.
            sum(case when next_square > 0 then 1 - sqrt(own_square / next_square) else 0 end)
                as silhouettes
        from nearest
        group by trial, centre
    )
    select
        cluster_count,
        array[y1, y2, y3, y4, y5, y6, y7, y8, y9, y10],
        coalesce(found.users, 0),
        coalesce(own_squares, 0) * 0.000000000001,
        coalesce(silhouettes, 0)
    from pg_temp.k_means_centres
    left join found using (trial, centre);
    drop table pg_temp.k_means_points, pg_temp.k_means_centres;
end
$function$;

comment on function {{ warehouse }}.k_means(text[], bigint[], integer[], integer) is
'Clusters of users by k-means: for each number of clusters the best of several starts. Returns '
'the centre of each cluster, its users, the sum of their squared distances to it, and the sum of '
'their silhouettes.';
