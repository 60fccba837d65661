-- operators --
-- The columns of a relation that an operator outside pg_catalog compares, as those of extensions
-- are: the type that it is for, and its name.
with recursive bases (name, base) as (
    select
        attributes.attname as name,
        attributes.atttypid as base
    from pg_attribute as attributes
    where
        attributes.attrelid = to_regclass(%(relation)s)
        and attributes.attnum > 0
        and not attributes.attisdropped
    union all
    select
        bases.name,
        types.typbasetype as base
    from bases
    inner join pg_type as types on types.oid = bases.base and types.typtype = 'd'
)

select
    bases.name,
    format_type(classes.opcintype, null) as type,
    format('operator(%%I.%%s)', schemas.nspname, operators.oprname) as operator
from bases
inner join pg_opclass as classes on classes.opcintype = bases.base and classes.opcdefault
inner join pg_am as methods on methods.oid = classes.opcmethod and methods.amname = 'btree'
inner join pg_amop as members
    on members.amopfamily = classes.opcfamily
    and members.amoplefttype = classes.opcintype
    and members.amoprighttype = classes.opcintype
    and members.amopstrategy = 3  -- equal
inner join pg_operator as operators on operators.oid = members.amopopr
inner join pg_namespace as schemas on schemas.oid = operators.oprnamespace
where schemas.nspname <> 'pg_catalog'
