-- K-means (Lloyd) for the clusters of users, as docs/adr/0017 decides. Places have ten coordinates,
-- whole billionths each: their sums are whole numbers, and double precision adds those up exactly,
-- in whatever order the rows come. All else is one fixed expression per row. So every server and
-- every rebuild finds the same clusters.
--
-- A round looks only at users whose nearest centre may have become another one. When a user was
-- looked at, the second nearest centre was further away than the nearest by some distance; as long
-- as the centres have travelled less than that, nothing can have changed. `reach` is that distance
-- on the way of the own centre, less a margin that is far larger than any rounding.
create or replace function {{ warehouse }}.k_means(
    users text[],
    places bigint[],
    cluster_counts integer[],
    starts integer
) returns table (
    cluster_count integer,
    user_id text,
    cluster integer,
    squared_distance numeric,
    next_squared_distance numeric
)
language plpgsql
-- A plan for each statement, not one for each content of the arrays.
set plan_cache_mode = force_generic_plan
as $function$
#variable_conflict use_column
declare
    is_moving boolean;
    rounds integer;
    seen record;
    nearest integer[];            -- per user: the centre that is nearest
    reach double precision[];     -- per user: how far the own centre may travel on its way
    travelled double precision[]; -- per centre: its way and that of the fastest other, added up
    found record;                 -- of one start: inertia, and arrays per user
    best record;
    best_inertia numeric;
begin
    if users is null then
        return;
    end if;
    -- A centre and how near it is are packed into one number, with seven bits for the centre.
    if 127 < any(cluster_counts) then
        raise exception 'more than 127 clusters cannot be made'
            using hint = 'cluster_count in sql/manifest.toml says how many';
    end if;
    create temporary table k_means_centres (
        centre integer,
        x1 double precision, x2 double precision, x3 double precision, x4 double precision,
        x5 double precision, x6 double precision, x7 double precision, x8 double precision,
        x9 double precision, x10 double precision,
        half_square double precision
    ) on commit drop;
    create temporary table k_means_points on commit drop as
    select
        numbered.*,
        (
            x1 * x1 + x2 * x2 + x3 * x3 + x4 * x4 + x5 * x5
            + x6 * x6 + x7 * x7 + x8 * x8 + x9 * x9 + x10 * x10
        ) / 2 as half_square,
        -- Of users at the same place the first one speaks for all when centres are chosen.
        min(point) over (partition by x1, x2, x3, x4, x5, x6, x7, x8, x9, x10) as place
    from (
        select
            people.point::integer as point,
            people.user_id,
            places[people.point][1]::double precision as x1,
            places[people.point][2]::double precision as x2,
            places[people.point][3]::double precision as x3,
            places[people.point][4]::double precision as x4,
            places[people.point][5]::double precision as x5,
            places[people.point][6]::double precision as x6,
            places[people.point][7]::double precision as x7,
            places[people.point][8]::double precision as x8,
            places[people.point][9]::double precision as x9,
            places[people.point][10]::double precision as x10
        from unnest(users) with ordinality as people (user_id, point)
    ) as numbered;

    for cluster_count in
        select distinct least(counts.wanted, (select count(distinct place) from k_means_points))
        from unnest(cluster_counts) as counts (wanted)
    loop
        best_inertia := 'infinity';
        for start in 1..starts loop
            delete from pg_temp.k_means_centres;
            insert into pg_temp.k_means_centres
            select
                row_number() over (order by firsts.rank) as centre,
                x1, x2, x3, x4, x5, x6, x7, x8, x9, x10,
                half_square
            from (
                select
                    place,
                    min((md5(start || ':' || user_id) || user_id) collate "C") as rank
                from pg_temp.k_means_points
                group by place
                order by rank
                limit cluster_count
            ) as firsts
            inner join pg_temp.k_means_points as points on points.point = firsts.place;
            nearest := array_fill(0, array[cardinality(users)]);
            reach := array_fill(0::double precision, array[cardinality(users)]);
            travelled := array_fill(0::double precision, array[cluster_count]);
            rounds := 0;
            loop
                is_moving := false;
                for seen in
                    -- How near a user is to a centre, half of what is left of the squared distance
                    -- without the user's own square: in billionths, and with the centre behind it,
                    -- so that the largest one names the nearest centre, and of equals the lowest.
                    select
                        point,
                        max(old_centre) as old_centre,
                        max(half_square) / 1e9 as half_square,
                        127 - (max(nearness) & 127)::integer as centre,
                        (max(nearness) >> 7)::double precision as nearness,
                        (max(nearness) filter (where centre <> old_centre) >> 7)::double precision
                            as next_nearness
                    from (
                        select
                            points.point,
                            nearest[points.point] as old_centre,
                            points.half_square,
                            centres.centre,
                            (
                                (
                                    points.x1 * centres.x1 + points.x2 * centres.x2
                                    + points.x3 * centres.x3 + points.x4 * centres.x4
                                    + points.x5 * centres.x5 + points.x6 * centres.x6
                                    + points.x7 * centres.x7 + points.x8 * centres.x8
                                    + points.x9 * centres.x9 + points.x10 * centres.x10
                                    - centres.half_square
                                ) / 1e9
                            )::bigint * 128 + 127 - centres.centre as nearness
                        from pg_temp.k_means_points as points
                        cross join pg_temp.k_means_centres as centres
                        where (travelled[nearest[points.point]] < reach[points.point]) is not true
                        offset 0
                    ) as compared
                    group by point
                loop
                    if seen.centre = seen.old_centre then
                        reach[seen.point] := travelled[seen.centre] - 0.001
                            + sqrt(greatest(seen.half_square - seen.next_nearness, 0) / 5e8)
                            - sqrt(greatest(seen.half_square - seen.nearness, 0) / 5e8);
                    else
                        nearest[seen.point] := seen.centre;
                        reach[seen.point] := 0;
                        is_moving := true;
                    end if;
                end loop;
                exit when not is_moving or rounds = 100;
                rounds := rounds + 1;
                with means as (
                    select
                        nearest[point] as centre,
                        round(sum(x1) / count(*)) as x1,
                        round(sum(x2) / count(*)) as x2,
                        round(sum(x3) / count(*)) as x3,
                        round(sum(x4) / count(*)) as x4,
                        round(sum(x5) / count(*)) as x5,
                        round(sum(x6) / count(*)) as x6,
                        round(sum(x7) / count(*)) as x7,
                        round(sum(x8) / count(*)) as x8,
                        round(sum(x9) / count(*)) as x9,
                        round(sum(x10) / count(*)) as x10
                    from pg_temp.k_means_points
                    group by nearest[point]
                ),
                moved as (
                    update pg_temp.k_means_centres as centres
                    set
                        x1 = means.x1, x2 = means.x2, x3 = means.x3, x4 = means.x4, x5 = means.x5,
                        x6 = means.x6, x7 = means.x7, x8 = means.x8, x9 = means.x9, x10 = means.x10,
                        half_square = (
                            means.x1 * means.x1 + means.x2 * means.x2 + means.x3 * means.x3
                            + means.x4 * means.x4 + means.x5 * means.x5 + means.x6 * means.x6
                            + means.x7 * means.x7 + means.x8 * means.x8 + means.x9 * means.x9
                            + means.x10 * means.x10
                        ) / 2
                    from means
                    inner join pg_temp.k_means_centres as before on before.centre = means.centre
                    where centres.centre = means.centre
                    returning
                        centres.centre,
                        sqrt(
                            (centres.x1 - before.x1) ^ 2 + (centres.x2 - before.x2) ^ 2
                            + (centres.x3 - before.x3) ^ 2 + (centres.x4 - before.x4) ^ 2
                            + (centres.x5 - before.x5) ^ 2 + (centres.x6 - before.x6) ^ 2
                            + (centres.x7 - before.x7) ^ 2 + (centres.x8 - before.x8) ^ 2
                            + (centres.x9 - before.x9) ^ 2 + (centres.x10 - before.x10) ^ 2
                        ) / 1e9 as way
                )
                select
                    array_agg(
                        travelled[centres.centre] + coalesce(moved.way, 0)
                        + coalesce(
                            (select max(way) from moved where centre <> centres.centre), 0
                        )
                        order by centres.centre
                    )
                into travelled
                from pg_temp.k_means_centres as centres
                left join moved on moved.centre = centres.centre;
            end loop;

            select
                sum(squared_distance) as inertia,
                nearest as centres,
                array_agg(squared_distance order by point) as squared_distances,
                array_agg(next_squared_distance order by point) as next_squared_distances
            into found
            from (
                select
                    point,
                    min(square) filter (where centre = nearest[point]) as squared_distance,
                    min(square) filter (where centre <> nearest[point]) as next_squared_distance
                from (
                    select
                        points.point,
                        centres.centre,
                        (
                            (
                                (points.x1 - centres.x1) * (points.x1 - centres.x1)
                                + (points.x2 - centres.x2) * (points.x2 - centres.x2)
                                + (points.x3 - centres.x3) * (points.x3 - centres.x3)
                                + (points.x4 - centres.x4) * (points.x4 - centres.x4)
                                + (points.x5 - centres.x5) * (points.x5 - centres.x5)
                                + (points.x6 - centres.x6) * (points.x6 - centres.x6)
                                + (points.x7 - centres.x7) * (points.x7 - centres.x7)
                                + (points.x8 - centres.x8) * (points.x8 - centres.x8)
                                + (points.x9 - centres.x9) * (points.x9 - centres.x9)
                                + (points.x10 - centres.x10) * (points.x10 - centres.x10)
                            ) / 1e9
                        )::bigint as square
                    from pg_temp.k_means_points as points
                    cross join pg_temp.k_means_centres as centres
                    -- A centre that nobody is left with makes no cluster.
                    where centres.centre = any (nearest)
                    offset 0
                ) as distances
                group by point
            ) as users_distances;
            if found.inertia < best_inertia then
                best := found;
                best_inertia := found.inertia;
            end if;
            exit when best_inertia = 0;
        end loop;

        return query
        with members as (
            select
                cardinalities.centre,
                row_number() over (
                    order by count(*) desc, min(points.user_id collate "C") collate "C"
                )::integer as cluster
            from unnest(best.centres) with ordinality as cardinalities (centre, point)
            inner join pg_temp.k_means_points as points on points.point = cardinalities.point
            group by cardinalities.centre
        )
        select
            cluster_count,
            points.user_id,
            members.cluster,
            best.squared_distances[points.point] * 0.000000001,
            best.next_squared_distances[points.point] * 0.000000001
        from pg_temp.k_means_points as points
        inner join members on members.centre = best.centres[points.point];
    end loop;
    drop table pg_temp.k_means_points, pg_temp.k_means_centres;
end
$function$;

comment on function {{ warehouse }}.k_means(text[], bigint[], integer[], integer) is
'Clusters of users by k-means, for each number of clusters wanted: the best of some starts. Places '
'are ten coordinates each, in whole billionths; clusters are numbered from the largest.';
