-- catalogue --
-- All schemas and relations, by name, with a text that changes when a comment or the definition of
-- a view does.
select
    'schema ' || schemas.nspname as name,
    coalesce(obj_description(schemas.oid, 'pg_namespace'), '') as state,
    1 as rank
from pg_namespace as schemas
where schemas.nspname !~ '^pg_' and schemas.nspname <> 'information_schema'
union all
select
    case relations.relkind when 'v' then 'view ' when 'i' then 'index ' else 'table ' end
    || schemas.nspname || '.' || relations.relname as name,
    md5(
        concat_ws(
            '|',
            case when relations.relkind = 'v' then pg_get_viewdef(relations.oid) end,
            (
                select
                    string_agg(
                        descriptions.objsubid || descriptions.description,
                        '|' order by descriptions.objsubid
                    )
                from pg_description as descriptions
                where descriptions.objoid = relations.oid
            )
        )
    ) as state,
    2 as rank
from pg_class as relations
inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
where
    relations.relkind in ('r', 'p', 'v', 'f', 'i')
    and schemas.nspname !~ '^pg_'
    and schemas.nspname <> 'information_schema'
    -- The index of a constraint is part of its table.
    and not exists (
        select from pg_constraint as constraints where constraints.conindid = relations.oid
    )
order by rank, name

-- foreign --
-- Whether one of these tables belongs to a role that the current role is not a member of.
select coalesce(bool_or(not pg_has_role(relations.relowner, 'usage')), false) as found
from unnest(%(tables)s::text[]) as names (name)
inner join pg_class as relations on relations.oid = to_regclass(names.name)
