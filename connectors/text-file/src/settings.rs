//! What an operator says about a file: format, paths, anchor, types, attributes. Reports every mistake at once and
//! never touches the file itself.

use crate::PasswordColumns;
use metaverse_schema::{
    AttributeName, ConnectorSchema, ObjectType, Plurality, SettingProblem, SettingValue, SettingsReader, SettingsTable,
    ValueKind, active_directory,
};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Ldif,
    Csv,
}

/// How the bytes of a file become characters. A byte order mark is tolerated in UTF-8 and required in UTF-16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16,
}

/// What a reference value in the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceBy {
    Dn,
    Anchor,
}

/// Where an object's type comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectTypes {
    Fixed(ObjectType),
    /// The first of `order` that the object carries in `attribute`: the most specific class stands first. An object
    /// that carries none of them is not imported and counts as filtered.
    ByAttribute {
        attribute: String,
        order: Vec<ObjectType>,
    },
}

/// Settings of one text-file connector, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub format: Format,
    /// The file that imports read.
    pub path: PathBuf,
    /// The file that exports rewrite, if it is another one. It starts as a copy of `path` while it does not exist.
    pub export_path: Option<PathBuf>,
    /// LDIF change records, or CSV rows with a change type: what delta imports read.
    pub delta_path: Option<PathBuf>,
    /// The anchor attribute. Binary: a GUID. Text or integer: a textual anchor.
    pub anchor: String,
    pub object_types: ObjectTypes,
    pub schema: ConnectorSchema,
    pub reference_by: ReferenceBy,
    pub encoding: Encoding,
    /// A file without records is a state and not an accident: for a target that starts empty.
    pub allow_empty: bool,
    pub delimiter: u8,
    pub multi_value_separator: String,
    /// The column of a CSV delta that says `add`, `modify` or `delete`.
    pub change_type_column: String,
    /// Where password hashes are read; none: this file is no source of passwords.
    pub passwords: Option<PasswordColumns>,
}

/// Most specific first; containers after the classes that objects are known by.
const ACTIVE_DIRECTORY_ORDER: [&str; 9] = [
    "computer",
    "inetOrgPerson",
    "user",
    "contact",
    "group",
    "organizationalUnit",
    "domainDNS",
    "builtinDomain",
    "container",
];

impl Settings {
    /// An LDIF export of an Active Directory (`ldifde`, `ldapsearch`): anchor `objectGUID`, types by `objectClass`.
    pub fn active_directory_ldif(path: impl Into<PathBuf>) -> Self {
        Settings {
            format: Format::Ldif,
            path: path.into(),
            export_path: None,
            delta_path: None,
            anchor: "objectGUID".to_owned(),
            object_types: active_directory_types(),
            schema: active_directory::schema(),
            reference_by: ReferenceBy::Dn,
            encoding: Encoding::Utf8,
            allow_empty: false,
            delimiter: b',',
            multi_value_separator: ";".to_owned(),
            change_type_column: "changetype".to_owned(),
            passwords: None,
        }
    }

    /// Reads the settings of a connector; paths are relative to `base_dir`, the deployment folder.
    ///
    /// `format` (ldif, csv), `path`, `export_path`, `delta_path`, `encoding` (utf-8, utf-16), `allow_empty`,
    /// `schema` (active-directory) and/or the table `attributes` (name = "multi text"), `anchor`, `reference_by` (dn,
    /// anchor), `object_type`, or `object_type_attribute` with `object_types` (most specific first) and
    /// `container_types`. CSV only: `delimiter`, `multi_value_separator`, `change_type_column`. `passwords`: see
    /// [`PasswordColumns`].
    pub fn read(table: &SettingsTable, base_dir: &Path) -> Result<Settings, Vec<SettingProblem>> {
        let mut reader = SettingsReader::new(table);
        let mut settings = Settings::active_directory_ldif("");
        let format = reader.required_text("format", "write format = \"ldif\" or format = \"csv\"");
        match format.as_str() {
            "ldif" | "" => {}
            "csv" => settings.format = Format::Csv,
            other => reader.invalid("format", format!("there is no format `{other}`"), "ldif or csv"),
        }
        settings.path = base_dir.join(reader.required_text("path", "name the file, relative to the deployment folder"));
        settings.export_path = reader.text("export_path").map(|path| base_dir.join(path));
        settings.delta_path = reader.text("delta_path").map(|path| base_dir.join(path));
        match reader.text("encoding").as_deref() {
            None | Some("utf-8") => {}
            Some("utf-16") => settings.encoding = Encoding::Utf16,
            Some(other) => {
                reader.invalid("encoding", format!("the encoding `{other}` is not known"), "utf-8 or utf-16")
            }
        }
        match reader.text("reference_by").as_deref() {
            None | Some("dn") => {}
            Some("anchor") => settings.reference_by = ReferenceBy::Anchor,
            Some(other) => reader.invalid("reference_by", format!("references cannot be by `{other}`"), "dn or anchor"),
        }
        settings.allow_empty = reader.boolean("allow_empty").unwrap_or(false);
        if settings.format == Format::Csv {
            settings.read_csv(&mut reader);
        }
        let mut problems = settings.read_schema(&mut reader, table);
        if let Some(passwords) = reader.table("passwords") {
            let (columns, found) = PasswordColumns::read(passwords, base_dir);
            problems.extend(found);
            settings.refuse_as_attribute(&mut reader, &columns);
            settings.passwords = Some(columns);
        }
        problems.extend(reader.finish());
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }

    fn read_csv(&mut self, reader: &mut SettingsReader<'_>) {
        if let Some(delimiter) = reader.text("delimiter") {
            match delimiter.as_bytes() {
                _ if delimiter == "tab" => self.delimiter = b'\t',
                [byte] if !matches!(byte, b'"' | b'\n' | b'\r' | 0) => self.delimiter = *byte,
                _ => reader.invalid(
                    "delimiter",
                    format!("`{delimiter}` cannot separate fields"),
                    "one ASCII character other than the quote, or tab",
                ),
            }
        }
        if let Some(separator) = reader.text("multi_value_separator") {
            if separator.is_empty() {
                reader.invalid("multi_value_separator", "the separator is empty", "such as ; or |");
            }
            self.multi_value_separator = separator;
        }
        if let Some(column) = reader.text("change_type_column") {
            self.change_type_column = column;
        }
    }

    fn read_schema(&mut self, reader: &mut SettingsReader<'_>, table: &SettingsTable) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let preset = reader.text("schema");
        let preset_known = preset.as_deref() == Some("active-directory");
        match preset {
            Some(other) if !preset_known => reader.invalid(
                "schema",
                format!("there is no schema `{other}`"),
                "active-directory, or a table of attributes",
            ),
            _ => {}
        }
        if !preset_known {
            self.schema = ConnectorSchema::default();
        }
        let attributes = reader.table("attributes");
        if attributes.is_none() && !preset_known {
            let help = "write schema = \"active-directory\", or a table attributes = { name = \"text\", ... }";
            reader.invalid("attributes", "nothing says which attributes the file has", help);
        }
        for (name, setting) in attributes.into_iter().flat_map(|table| &table.entries) {
            let known = match &setting.value {
                SettingValue::Text(text) => attribute_kind(text),
                _ => None,
            };
            match known {
                Some((kind, plurality)) => {
                    let schema = std::mem::take(&mut self.schema);
                    self.schema = schema.attribute(name, kind, plurality, true);
                }
                None => problems.push(SettingProblem {
                    code: "setting-invalid",
                    message: format!("the kind of attribute `{name}` is not known"),
                    span: setting.span.clone(),
                    help: "text, integer, boolean, binary or reference, with `multi ` before it for several values"
                        .to_owned(),
                }),
            }
        }
        self.read_types(reader, table, preset_known);
        if let Some(anchor) = reader.text("anchor") {
            self.anchor = anchor;
        } else if !preset_known {
            reader.invalid(
                "anchor",
                "the anchor attribute is not named",
                "the attribute that identifies an object all its life, such as employeeID",
            );
        }
        let definition = self.schema.attributes.get(self.anchor.as_str());
        match definition.map(|definition| (definition.kind, definition.plurality)) {
            None => {
                let schema = std::mem::take(&mut self.schema);
                self.schema = schema.attribute(&self.anchor, ValueKind::Text, Plurality::Single, true);
            }
            Some((ValueKind::Text | ValueKind::Integer | ValueKind::Binary, Plurality::Single)) => {}
            Some(_) => reader.invalid(
                "anchor",
                format!("`{}` cannot be an anchor", self.anchor),
                "an anchor is single-valued text, integer or binary (16 bytes: a GUID)",
            ),
        }
        problems
    }

    /// A hash never enters an import: its column is no attribute.
    fn refuse_as_attribute(&self, reader: &mut SettingsReader<'_>, columns: &PasswordColumns) {
        let hash = &columns.hash;
        let is_attribute = self.schema.attributes.keys().any(|name| name.as_str().eq_ignore_ascii_case(hash));
        if is_attribute || self.anchor.eq_ignore_ascii_case(hash) {
            let message = format!("`{hash}` holds password hashes and is an attribute too: every import would keep it");
            reader.invalid("passwords", message, "take it out of `attributes`, or name another column");
        }
    }

    fn read_types(&mut self, reader: &mut SettingsReader<'_>, table: &SettingsTable, preset: bool) {
        let fixed = reader.text("object_type");
        let attribute = reader.text("object_type_attribute");
        let types = reader.texts("object_types");
        let containers = reader.texts("container_types").unwrap_or_default();
        if let Some(fixed) = fixed {
            if attribute.is_some() || types.is_some() {
                let help = "remove object_type, or object_type_attribute and object_types";
                reader.invalid("object_type", "the type is both fixed and read from an attribute", help);
            }
            self.schema.classes.clear();
            self.add_classes(std::slice::from_ref(&fixed), &[]);
            self.object_types = ObjectTypes::Fixed(ObjectType::new(fixed));
            return;
        }
        if !preset && (types.is_none() || (attribute.is_none() && self.format == Format::Csv)) {
            let help = "write object_type = \"person\", or object_type_attribute with object_types = [...], most specific first";
            let place = if table.entries.contains_key("object_type_attribute") {
                "object_type_attribute"
            } else {
                "object_type"
            };
            reader.invalid(place, "nothing says of which types the objects are", help);
        }
        let mut order: Vec<ObjectType> = Vec::new();
        if let Some(types) = &types {
            if preset {
                // Explicit types narrow the preset; its containers stay.
                self.schema.classes.retain(|_, class| class.container);
            }
            order.extend(types.iter().map(ObjectType::new));
            self.add_classes(types, &[]);
        }
        order.extend(containers.iter().map(ObjectType::new));
        self.add_classes(&[], &containers);
        if preset {
            let known = ACTIVE_DIRECTORY_ORDER.iter().filter(|name| self.schema.classes.contains_key(**name));
            order.extend(known.map(ObjectType::new));
        }
        self.object_types =
            ObjectTypes::ByAttribute { attribute: attribute.unwrap_or_else(|| "objectClass".to_owned()), order };
    }

    fn add_classes(&mut self, types: &[String], containers: &[String]) {
        let mut schema = std::mem::take(&mut self.schema);
        for name in types {
            schema = schema.class(name, true);
        }
        for name in containers {
            schema = schema.container(name);
        }
        self.schema = schema;
    }

    /// What the engine may see: everything but secrets, which a file never carries.
    pub(crate) fn offered_schema(&self) -> ConnectorSchema {
        let mut schema = self.schema.clone();
        schema.attributes.retain(|_: &AttributeName, definition| definition.kind != ValueKind::Secret);
        schema
    }

    /// The file that exports rewrite.
    pub(crate) fn target(&self) -> &Path {
        self.export_path.as_deref().unwrap_or(&self.path)
    }
}

fn active_directory_types() -> ObjectTypes {
    ObjectTypes::ByAttribute {
        attribute: "objectClass".to_owned(),
        order: ACTIVE_DIRECTORY_ORDER.iter().map(ObjectType::new).collect(),
    }
}

fn attribute_kind(text: &str) -> Option<(ValueKind, Plurality)> {
    let (kind, plurality) = match text.strip_prefix("multi ") {
        Some(kind) => (kind, Plurality::Multi),
        None => (text, Plurality::Single),
    };
    let kind = match kind.trim() {
        "text" => ValueKind::Text,
        "integer" => ValueKind::Integer,
        "boolean" => ValueKind::Boolean,
        "binary" => ValueKind::Binary,
        "reference" => ValueKind::Reference,
        _ => return None,
    };
    Some((kind, plurality))
}

#[cfg(test)]
mod tests {
    use super::*;
    use metaverse_schema::Setting;

    fn table(entries: &[(&str, SettingValue)]) -> SettingsTable {
        let entry = |(at, (name, value)): (usize, &(&str, SettingValue))| {
            let setting = Setting { value: value.clone(), span: at..at + 1 };
            ((*name).to_owned(), setting)
        };
        SettingsTable { entries: entries.iter().enumerate().map(entry).collect(), span: 100..101 }
    }

    fn text(text: &str) -> SettingValue {
        SettingValue::Text(text.to_owned())
    }

    #[test]
    fn every_mistake_is_reported_at_once_at_its_place() {
        let bad = table(&[
            ("format", text("csv")),
            ("encoding", text("latin-1")),
            ("delimiter", text(";;")),
            ("attributes", SettingValue::Table(table(&[("mail", text("string"))]))),
            ("colour", text("red")),
        ]);
        let problems = Settings::read(&bad, Path::new("/d")).unwrap_err();
        let seen: Vec<String> =
            problems.iter().map(|problem| format!("{:?} {} {}", problem.span, problem.code, problem.message)).collect();
        expect_test::expect![[r#"
            0..1 setting-invalid the kind of attribute `mail` is not known
            100..101 setting-missing the setting `path` is missing
            1..2 setting-invalid the encoding `latin-1` is not known
            2..3 setting-invalid `;;` cannot separate fields
            100..101 setting-invalid nothing says of which types the objects are
            100..101 setting-invalid the anchor attribute is not named
            4..5 setting-unknown there is no setting `colour` here"#]]
        .assert_eq(&seen.join("\n"));
    }

    #[test]
    fn the_active_directory_preset_and_an_hr_extract() {
        let directory =
            table(&[("format", text("ldif")), ("path", text("ad.ldif")), ("schema", text("active-directory"))]);
        let settings = Settings::read(&directory, Path::new("/d")).unwrap();
        assert_eq!((settings.path.as_path(), settings.anchor.as_str()), (Path::new("/d/ad.ldif"), "objectGUID"));
        assert_eq!(settings.object_types, active_directory_types());
        assert!(settings.offered_schema().kind_of("unicodePwd").is_none());

        let extract = table(&[
            ("format", text("csv")),
            ("path", text("/hr/staff.csv")),
            ("anchor", text("number")),
            ("object_type", text("person")),
            ("delimiter", text("tab")),
            ("attributes", SettingValue::Table(table(&[("phones", text("multi text"))]))),
        ]);
        let settings = Settings::read(&extract, Path::new("/d")).unwrap();
        assert_eq!((settings.path.as_path(), settings.delimiter), (Path::new("/hr/staff.csv"), b'\t'));
        assert_eq!(settings.schema.attributes["phones"].plurality, Plurality::Multi);
        assert_eq!(settings.schema.kind_of("number"), Some(ValueKind::Text));
    }
}
