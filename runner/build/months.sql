-- make --
-- Create a partition for each month of the rows, and with the first one those for days before 2000
-- and from 2100 on, so that every day has a partition. To attach an empty table blocks no reader.
do $months$
declare
    part record;
begin
    for part in
        with months as (
            select distinct date_trunc('month', {{ day }}::timestamp) as low
            from {{ rows }} as fresh
        ),

        parts (ending, low, high) as (
            select
                to_char(low, 'YYYY_MM') as ending,
                quote_literal(low::date) as low,
                quote_literal((low + interval '1 month')::date) as high
            from months
            where low >= '2000-01-01' and low < '2100-01-01'
            union all
            select *
            from (
                values
                ('before', 'minvalue', '''2000-01-01'''),
                ('after', '''2100-01-01''', 'maxvalue')
            ) as ends
            where exists (select from months)
        )

        select
            format('%I.%I', {{ schema }}, {{ name }} || '_' || ending) as name,
            format('Rows of %s: %s.', {{ table }}, replace(ending, '_', '-')) as about,
            low, high
        from parts
        where to_regclass(format('%I.%I', {{ schema }}, {{ name }} || '_' || ending)) is null
        order by ending
    loop
        execute format(
            'create table %s (like %s including all excluding indexes)', part.name, {{ table }}
        );
        execute format('comment on table %s is %L', part.name, part.about);
        execute format(
            'alter table %s attach partition %s for values from (%s) to (%s)',
            {{ table }}, part.name, part.low, part.high
        );
    end loop;
end
$months$;

-- ranges --
-- The months of the rows, as ranges of days. Adjacent months are merged; days before 2000, and from
-- 2100 on, count as one month each.
with months as (
    select distinct
        case
            when {{ day }} < '2000-01-01' then '-infinity'
            when {{ day }} >= '2100-01-01' then '2100-01-01'
            else date_trunc('month', {{ day }}::timestamp)::date
        end as low
    from {{ rows }} as fresh
)

select
    lower(spans.span)::text as first,
    (upper(spans.span) - 1)::text as last
from (
    select
        range_agg(
            daterange(
                low,
                case
                    when low = '-infinity' then '2000-01-01'
                    when low = '2100-01-01' then 'infinity'
                    else (low + interval '1 month')::date
                end
            )
        ) as ranges
    from months
) as found
cross join lateral unnest(found.ranges) as spans (span)
order by spans.span

-- columns --
-- The columns of a table, except generated ones.
select string_agg(quote_ident(columns.attname), ', ' order by columns.attnum) as names
from pg_attribute as columns
where
    columns.attrelid = to_regclass(%(table)s)
    and columns.attnum > 0
    and not columns.attisdropped
    and columns.attgenerated = ''
