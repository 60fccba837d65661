-- K-means (Lloyd) for clusters of users, as docs/adr/0017 decides. A place has ten coordinates, in
-- whole millionths: double precision adds such numbers up exactly, in whatever order the rows come,
-- so that every server and every rebuild finds the same clusters.

create or replace function {{ warehouse }}.coordinate(
    logarithm numeric, mean numeric, deviation numeric
) returns bigint
language sql immutable parallel safe
return coalesce(1000000 * round((logarithm - mean) / nullif(deviation, 0), 6), 0)::bigint;

comment on function {{ warehouse }}.coordinate(numeric, numeric, numeric) is
'Where a value stands on a scale of mean 0 and deviation 1, in millionths; 0 where none differ.';

create or replace function {{ warehouse }}.product(
    one double precision[], other double precision[]
) returns double precision
language sql immutable parallel safe
return
one[1] * other[1] + one[2] * other[2] + one[3] * other[3] + one[4] * other[4]
+ one[5] * other[5] + one[6] * other[6] + one[7] * other[7] + one[8] * other[8]
+ one[9] * other[9] + one[10] * other[10];

comment on function {{ warehouse }}.product(double precision[], double precision[]) is
'Scalar product of two places. Of some centres c, the one with the largest 2 x.c - c.c is nearest.';

-- For each number of clusters the best of some starts, all tried side by side: in each round of the
-- loop every point goes to the nearest centre, and every centre to the mean of its points.
-- Its columns have been others, and no replacement may have others than what it replaces.
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
    updates integer := 0;
begin
    if user_ids is null then
        return;
    end if;
    -- How near a centre is and its number are packed into one number, seven bits for the latter.
    if 127 < any(cluster_counts) then
        raise exception 'more than 127 clusters cannot be made'
            using hint = 'cluster_count in sql/manifest.toml says how many';
    end if;

    create temporary table k_means_points on commit drop as
    select point, user_id, place, {{ warehouse }}.product(place, place) as square
    from unnest(user_ids) with ordinality as people (user_id, point)
    cross join lateral (
        select array_agg(coordinate)::double precision[] as place
        from unnest(places[people.point:people.point]) as coordinates (coordinate)
    ) as placed;

    -- A start takes the first different points, each start in an order of its own.
    create temporary table k_means_centres on commit drop as
    with counts as (
        select distinct least(wanted, (select count(distinct place) from k_means_points)) as centres
        from unnest(cluster_counts) as counts (wanted)
    ),
    firsts as (
        select
            start,
            place,
            row_number() over (partition by start order by min(rank)) as centre
        from (
            select start, place, (md5(start || ':' || user_id) || user_id) collate "C" as rank
            from k_means_points cross join generate_series(1, starts) as numbers (start)
        ) as ranked
        group by start, place
    )
    select
        dense_rank() over (order by centres, start) as trial,
        centres::integer as cluster_count,
        start,
        centre,
        place,
        {{ warehouse }}.product(place, place) as square,
        true as is_moving
    from counts inner join firsts on centre <= centres;
    analyze pg_temp.k_means_points, pg_temp.k_means_centres;

    -- Until nothing changes, or the 100th look at who is nearest, which is below.
    while updates < 99 and exists (select from pg_temp.k_means_centres where is_moving) loop
        updates := updates + 1;
        -- Out of the arrays once, not once for each pair: these are most of the work.
        with moving as materialized (
            select
                trial, centre, square,
                place[1] as y1, place[2] as y2, place[3] as y3, place[4] as y4, place[5] as y5,
                place[6] as y6, place[7] as y7, place[8] as y8, place[9] as y9, place[10] as y10
            from pg_temp.k_means_centres
            where is_moving
        ),
        -- Point by point: what is grouped at a time is as small as there are trials.
        nearest as (
            select trial, point, centre
            from (
                select
                    point,
                    place[1] as x1, place[2] as x2, place[3] as x3, place[4] as x4, place[5] as x5,
                    place[6] as x6, place[7] as x7, place[8] as x8, place[9] as x9, place[10] as x10
                from pg_temp.k_means_points
                offset 0
            ) as points
            cross join lateral (
                select
                    trial,
                    -- The largest is the nearest; of equal ones, the one with the lowest number.
                    127 - max(
                        (
                            2 * (
                                x1 * y1 + x2 * y2 + x3 * y3 + x4 * y4 + x5 * y5
                                + x6 * y6 + x7 * y7 + x8 * y8 + x9 * y9 + x10 * y10
                            ) - square
                        )::bigint * 128 + 127 - centre
                    ) & 127 as centre
                from moving
                group by trial
            ) as nearest_centres
        ),
        means as (
            select
                trial,
                centre,
                array[
                    round((sum(place[1]) / count(*))::numeric),
                    round((sum(place[2]) / count(*))::numeric),
                    round((sum(place[3]) / count(*))::numeric),
                    round((sum(place[4]) / count(*))::numeric),
                    round((sum(place[5]) / count(*))::numeric),
                    round((sum(place[6]) / count(*))::numeric),
                    round((sum(place[7]) / count(*))::numeric),
                    round((sum(place[8]) / count(*))::numeric),
                    round((sum(place[9]) / count(*))::numeric),
                    round((sum(place[10]) / count(*))::numeric)
                ]::double precision[] as place
            from nearest
            inner join pg_temp.k_means_points as points using (point)
            group by trial, centre
        ),
        -- A centre that nobody is nearest to keeps its place.
        moved as (
            select
                trial,
                centre,
                coalesce(means.place, centres.place) as place,
                bool_or(means.place <> centres.place) over (partition by trial) as is_moving
            from pg_temp.k_means_centres as centres
            left join means using (trial, centre)
            where centres.is_moving
        )
        update pg_temp.k_means_centres as centres
        set
            place = moved.place,
            square = {{ warehouse }}.product(moved.place, moved.place),
            is_moving = moved.is_moving
        from moved
        where centres.trial = moved.trial and centres.centre = moved.centre;
    end loop;

    return query
    with nearest as (
        select
            trial,
            point,
            (array_agg(centre order by square, centre))[1] as centre,
            (array_agg(square order by square))[1]::numeric as own_square,
            (array_agg(square order by square))[2]::numeric as next_square
        from (
            select
                trial,
                point,
                centre,
                (
                    points.square + centres.square
                    - 2 * {{ warehouse }}.product(points.place, centres.place)
                )::bigint as square
            from pg_temp.k_means_points as points
            cross join pg_temp.k_means_centres as centres
        ) as squares
        group by trial, point
    ),
    found as (
        select
            trial,
            centre,
            count(*) as users,
            sum(own_square) as own_squares,
            -- Other centres at the same place: to belong to one is as clear as to the other.
            sum(case when next_square > 0 then 1 - sqrt(own_square / next_square) else 0 end)
                as silhouettes
        from nearest
        group by trial, centre
    ),
    best as (
        select distinct on (cluster_count) trial
        from found
        inner join pg_temp.k_means_centres using (trial, centre)
        group by cluster_count, start, trial
        order by cluster_count, sum(own_squares), start
    )
    select
        cluster_count,
        place::bigint[],
        coalesce(found.users, 0),
        coalesce(own_squares, 0) * 0.000000000001,
        coalesce(silhouettes, 0)
    from best
    inner join pg_temp.k_means_centres as centres using (trial)
    left join found using (trial, centre);
    drop table pg_temp.k_means_points, pg_temp.k_means_centres;
end
$function$;

comment on function {{ warehouse }}.k_means(text[], bigint[], integer[], integer) is
'Clusters of users by k-means, for each number of clusters: the best of some starts. Returns the '
'centre of each cluster, its users, the sum of their squared distances to it, and the sum of their '
'silhouettes.';
