//! Given names and surnames, each with the ASCII form that stands in addresses. One person in twenty has letters beyond
//! ASCII; the list has what has hurt synchronisations: sharp s, barred l, thorn, the Turkish dotted I, combining marks.

/// A name as it is shown, and as it stands in addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    pub shown: &'static str,
    pub ascii: &'static str,
}

const fn plain(name: &'static str, ascii: &'static str) -> Name {
    Name { shown: name, ascii }
}

pub(super) const GIVEN: &[Name] = &[
    plain("Anna", "anna"),
    plain("Bernd", "bernd"),
    plain("Carla", "carla"),
    plain("Daniel", "daniel"),
    plain("Elena", "elena"),
    plain("Frank", "frank"),
    plain("Grace", "grace"),
    plain("Hannah", "hannah"),
    plain("Igor", "igor"),
    plain("Jana", "jana"),
    plain("Karim", "karim"),
    plain("Laura", "laura"),
    plain("Mehmet", "mehmet"),
    plain("Nadia", "nadia"),
    plain("Oliver", "oliver"),
    plain("Petra", "petra"),
    plain("Quentin", "quentin"),
    plain("Rosa", "rosa"),
    plain("Stefan", "stefan"),
    plain("Teresa", "teresa"),
    plain("Ulrich", "ulrich"),
    plain("Vera", "vera"),
    plain("William", "william"),
    plain("Yusuf", "yusuf"),
    plain("Zara", "zara"),
];

pub(super) const GIVEN_BEYOND_ASCII: &[Name] = &[
    plain("André", "andre"),
    plain("Łucja", "lucja"),
    plain("Jürgen", "juergen"),
    plain("Þóra", "thora"),
    plain("İbrahim", "ibrahim"),
    plain("Zoe\u{308}", "zoe"),
    plain("Søren", "soeren"),
    plain("François", "francois"),
];

pub(super) const SURNAMES: &[Name] = &[
    plain("Abel", "abel"),
    plain("Becker", "becker"),
    plain("Costa", "costa"),
    plain("Dietrich", "dietrich"),
    plain("Engel", "engel"),
    plain("Fischer", "fischer"),
    plain("Garcia", "garcia"),
    plain("Hansen", "hansen"),
    plain("Ivanova", "ivanova"),
    plain("Jansen", "jansen"),
    plain("Keller", "keller"),
    plain("Lindberg", "lindberg"),
    plain("Martin", "martin"),
    plain("Nowak", "nowak"),
    plain("Olsen", "olsen"),
    plain("Peters", "peters"),
    plain("Richter", "richter"),
    plain("Santos", "santos"),
    plain("Taylor", "taylor"),
    plain("Unger", "unger"),
    plain("Vogel", "vogel"),
    plain("Weber", "weber"),
    plain("Yilmaz", "yilmaz"),
    plain("Zimmer", "zimmer"),
    plain("Smith", "smith"),
    plain("Jones", "jones"),
    plain("Brown", "brown"),
    plain("Lopez", "lopez"),
    plain("Rossi", "rossi"),
];

pub(super) const SURNAMES_BEYOND_ASCII: &[Name] = &[
    plain("Größe", "groesse"),
    plain("Müller", "mueller"),
    plain("Wałęsa", "walesa"),
    plain("Þórsson", "thorsson"),
    plain("Yıldız", "yildiz"),
    plain("Lefe\u{300}vre", "lefevre"),
    plain("Ångström", "angstroem"),
    plain("Muñoz", "munoz"),
];

/// With an apostrophe, which must be doubled in a filter of the cloud.
pub(super) const SURNAMES_WITH_APOSTROPHE: &[Name] =
    &[plain("O'Neil", "oneil"), plain("D'Angelo", "dangelo"), plain("O'Brien", "obrien")];

pub(super) const TITLES: &[&str] =
    &["Engineer", "Clerk", "Team lead", "Consultant", "Nurse", "Teacher", "Analyst", "Driver", "Accountant", "Planner"];

pub(super) const CITIES: &[(&str, &str, &str, &str, &str, u16)] = &[
    ("Hamburg", "HH", "20359", "Germany", "DE", 276),
    ("Lyon", "Rhône", "69001", "France", "FR", 250),
    ("Porto", "Norte", "4000-001", "Portugal", "PT", 620),
    ("Kraków", "Małopolska", "30-001", "Poland", "PL", 616),
    ("Leeds", "West Yorkshire", "LS1 1AA", "United Kingdom", "GB", 826),
    ("Austin", "TX", "73301", "United States", "US", 840),
];
