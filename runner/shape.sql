-- columns --
-- Columns of a table with their types.
select
    attributes.attname as name,
    format_type(attributes.atttypid, attributes.atttypmod)
    || case when attributes.attnotnull then ' not null' else '' end as definition
from pg_attribute as attributes
where
    attributes.attrelid = to_regclass(%(table)s)
    and attributes.attnum > 0
    and not attributes.attisdropped
order by attributes.attnum

-- constraints --
-- Constraints of a table, and what they say.
select
    constraints.conname as name,
    pg_get_constraintdef(constraints.oid) as definition
from pg_constraint as constraints
where
    constraints.conrelid = to_regclass(%(table)s)

-- indexes --
-- Indexes of a table beside those of its constraints, whatever its schema is called.
select
    classes.relname as name,
    replace(
        pg_get_indexdef(indexes.indexrelid),
        format('%%I.', classes.relnamespace::regnamespace::text),
        ''
    ) as definition
from pg_index as indexes
inner join pg_class as classes on classes.oid = indexes.indexrelid
where
    indexes.indrelid = to_regclass(%(table)s)
    and not exists (
        select
        from pg_constraint as constraints
        where constraints.conindid = indexes.indexrelid
    )

-- keys --
-- What takes the keys and indexes of tables away, and what makes the keys again.
select
    pg_get_constraintdef(constraints.oid) as definition,
    format(
        'alter table %%s drop constraint %%I', constraints.conrelid::regclass, constraints.conname
    ) as drop,
    format(
        'alter table %%s add constraint %%I %%s',
        constraints.conrelid::regclass,
        constraints.conname,
        pg_get_constraintdef(constraints.oid)
    ) as make
from pg_constraint as constraints
where
    constraints.conrelid = any(%(tables)s::regclass[])
    and constraints.contype in ('p', 'u', 'x')
union all
select
    null as definition,
    format('drop index %%s', indexes.indexrelid::regclass) as drop,
    null as make
from pg_index as indexes
where
    indexes.indrelid = any(%(tables)s::regclass[])
    and not exists (
        select
        from pg_constraint as constraints
        where constraints.conindid = indexes.indexrelid
    )

-- dependents --
-- Views that read one of the tables.
select distinct
    tables.relation::text as table_name,
    rules.ev_class::regclass::text as view_name
from unnest(%(tables)s::regclass[]) as tables (relation)
inner join pg_depend as dependencies
    on
        dependencies.refclassid = 'pg_class'::regclass
        and dependencies.refobjid = tables.relation
        and dependencies.classid = 'pg_rewrite'::regclass
inner join pg_rewrite as rules on rules.oid = dependencies.objid
where
    rules.ev_class <> tables.relation
order by view_name

-- rights --
-- Statements that give one table the owner and the grants of another.
select
    format(
        'alter table %%s owner to %%I', %(to)s::text, pg_get_userbyid(classes.relowner)
    ) as text
from pg_class as classes
where classes.oid = to_regclass(%(of)s)
union all
select
    format(
        'grant %%s on %%s to %%s%%s',
        rights.privilege_type,
        %(to)s::text,
        case
            when rights.grantee = 0 then 'public'
            else quote_ident(pg_get_userbyid(rights.grantee))
        end,
        case when rights.is_grantable then ' with grant option' else '' end
    ) as text
from pg_class as classes
cross join lateral aclexplode(classes.relacl) as rights
where classes.oid = to_regclass(%(of)s)
union all
select
    format(
        'grant %%s (%%I) on %%s to %%s',
        rights.privilege_type,
        attributes.attname,
        %(to)s::text,
        case
            when rights.grantee = 0 then 'public'
            else quote_ident(pg_get_userbyid(rights.grantee))
        end
    ) as text
from pg_attribute as attributes
cross join lateral aclexplode(attributes.attacl) as rights
where
    attributes.attrelid = to_regclass(%(of)s)
    and not attributes.attisdropped
    and exists (
        select
        from pg_attribute as others
        where
            others.attrelid = to_regclass(%(to)s)
            and others.attname = attributes.attname
            and not others.attisdropped
    )

-- holders --
-- Who holds tables back.
select distinct
    activity.pid,
    activity.application_name,
    coalesce(activity.state, 'unknown') as state
from pg_locks as locks
inner join pg_stat_activity as activity on activity.pid = locks.pid
where
    locks.relation = any(%(tables)s::regclass[])
    and locks.granted
    and locks.pid <> pg_backend_pid()
order by activity.pid
