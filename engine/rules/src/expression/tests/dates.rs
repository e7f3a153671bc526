//! Dates as people and directories write them, and what is computed with them (X23, X40-X44).

use super::check;
use expect_test::expect;

#[test]
fn x23_dates_in_text() {
    let shown = |text: &str| format!("FormatDateTime(CDate(\"{text}\"),\"yyyy-MM-dd HH:mm:ss.ffffff\")");
    let table: Vec<String> = [
        "2013-01-10 4:00 PM -8",
        "12/25/2007",
        "2001-01-01",
        "2012-01-01 23:00:00",
        "2013-01-10T16:00:00Z",
        "2013-01-10T16:00:00.1234567+05:30",
        "2013-01-10T16:00",
        "2013-01-10 12:00 AM",
        "2013-01-10 12:30 pm UTC",
        "2013/1/5",
        "1/5/2013 7:05:09",
        "10 January 2013",
        "Thursday, January 10, 2013 4:00 PM",
        "10-Jan-2013 16:00 GMT",
        "20140905081453.0Z",
        "20140905081453Z",
        "2014090508+0200",
        "201409050830.5Z",
        " 2013-01-10 ",
        "2024-02-29",
        "2013-02-29",
        "25/12/2007",
        "12/25/07",
        "2013-01-10 25:00",
        "2013-01-10 13:00 PM",
        "2013-01-10 -15",
        "20140905081453",
        "20140905",
        "130000000000000000",
        "10:00",
        "tomorrow",
        "",
    ]
    .into_iter()
    .map(shown)
    .collect();
    check(
        &table.join("\n"),
        expect![[r#"
        FormatDateTime(CDate("2013-01-10 4:00 PM -8"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-11 00:00:00.000000"
        FormatDateTime(CDate("12/25/2007"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2007-12-25 00:00:00.000000"
        FormatDateTime(CDate("2001-01-01"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2001-01-01 00:00:00.000000"
        FormatDateTime(CDate("2012-01-01 23:00:00"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2012-01-01 23:00:00.000000"
        FormatDateTime(CDate("2013-01-10T16:00:00Z"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-10 16:00:00.000000"
        FormatDateTime(CDate("2013-01-10T16:00:00.1234567+05:30"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-10 10:30:00.123456"
        FormatDateTime(CDate("2013-01-10T16:00"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-10 16:00:00.000000"
        FormatDateTime(CDate("2013-01-10 12:00 AM"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-10 00:00:00.000000"
        FormatDateTime(CDate("2013-01-10 12:30 pm UTC"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-10 12:30:00.000000"
        FormatDateTime(CDate("2013/1/5"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-05 00:00:00.000000"
        FormatDateTime(CDate("1/5/2013 7:05:09"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-05 07:05:09.000000"
        FormatDateTime(CDate("10 January 2013"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-10 00:00:00.000000"
        FormatDateTime(CDate("Thursday, January 10, 2013 4:00 PM"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-10 16:00:00.000000"
        FormatDateTime(CDate("10-Jan-2013 16:00 GMT"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-10 16:00:00.000000"
        FormatDateTime(CDate("20140905081453.0Z"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2014-09-05 08:14:53.000000"
        FormatDateTime(CDate("20140905081453Z"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2014-09-05 08:14:53.000000"
        FormatDateTime(CDate("2014090508+0200"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2014-09-05 06:00:00.000000"
        FormatDateTime(CDate("201409050830.5Z"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2014-09-05 08:30:30.000000"
        FormatDateTime(CDate(" 2013-01-10 "),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2013-01-10 00:00:00.000000"
        FormatDateTime(CDate("2024-02-29"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => "2024-02-29 00:00:00.000000"
        FormatDateTime(CDate("2013-02-29"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `2013-02-29` is not a date at `CDate("2013-02-29")`
        FormatDateTime(CDate("25/12/2007"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `25/12/2007` is not a date at `CDate("25/12/2007")`
        FormatDateTime(CDate("12/25/07"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `12/25/07` is not a date at `CDate("12/25/07")`
        FormatDateTime(CDate("2013-01-10 25:00"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `2013-01-10 25:00` is not a date at `CDate("2013-01-10 25:00")`
        FormatDateTime(CDate("2013-01-10 13:00 PM"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `2013-01-10 13:00 PM` is not a date at `CDate("2013-01-10 13:00 PM")`
        FormatDateTime(CDate("2013-01-10 -15"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `2013-01-10 -15` is not a date at `CDate("2013-01-10 -15")`
        FormatDateTime(CDate("20140905081453"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `20140905081453` is not a date at `CDate("20140905081453")`
        FormatDateTime(CDate("20140905"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `20140905` is not a date at `CDate("20140905")`
        FormatDateTime(CDate("130000000000000000"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `130000000000000000` is not a date at `CDate("130000000000000000")`
        FormatDateTime(CDate("10:00"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `10:00` is not a date at `CDate("10:00")`
        FormatDateTime(CDate("tomorrow"),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `tomorrow` is not a date at `CDate("tomorrow")`
        FormatDateTime(CDate(""),"yyyy-MM-dd HH:mm:ss.ffffff")
        => ! expression-conversion-failed: `CDate`: `` is not a date at `CDate("")`
    "#]],
    );
}

#[test]
fn x40_to_x44_computing_with_dates() {
    check(
        r#"
        FormatDateTime(DateAdd("m",3,CDate("2001-01-01")),"yyyy-MM-dd")
        FormatDateTime(DateAdd("m",1,CDate("2024-01-31")),"yyyy-MM-dd")
        FormatDateTime(DateAdd("m",-1,CDate("2023-03-31 10:11:12")),"yyyy-MM-dd HH:mm:ss")
        FormatDateTime(DateAdd("yyyy",1,CDate("2024-02-29")),"yyyy-MM-dd")
        FormatDateTime(DateAdd("q",1,CDate("2023-11-30")),"yyyy-MM-dd")
        FormatDateTime(DateAdd("y",1,CDate("2024-02-28")),"yyyy-MM-dd")
        FormatDateTime(DateAdd("d",-1,CDate("2024-03-01")),"yyyy-MM-dd")
        FormatDateTime(DateAdd("w",5,CDate("2024-03-01")),"yyyy-MM-dd")
        FormatDateTime(DateAdd("ww",2,CDate("2024-03-01")),"yyyy-MM-dd")
        FormatDateTime(DateAdd("h",25,CDate("2024-03-01")),"yyyy-MM-dd HH:mm")
        FormatDateTime(DateAdd("n",-1,CDate("2024-03-01")),"yyyy-MM-dd HH:mm")
        FormatDateTime(DateAdd("s",61,CDate("2024-03-01")),"HH:mm:ss")
        DateAdd("M",1,CDate("2024-03-01")) > Now()
        IsNull(DateAdd("d",1,CDate([none])))
        IsNull(DateAdd("d",CNum([none]),Now()))
        DateAdd("yyyy",9000,Now()) > Now()
        DateAdd("ww",9223372036854775807,Now()) > Now()
        FormatDateTime(DateAdd("d",-735000,Now()),"yyyy-MM-dd")
        FormatDateTime(DateAdd("d",-736000,Now()),"yyyy-MM-dd")
        DateAdd("d",-736000,Now()) < DateAdd("d",-735000,Now())
        NumFromDate(CDate("2012-01-01 23:00:00"))
        NumFromDate(DateFromNum(129699324000000009))
        NumFromDate(DateFromNum(-9223372036854775808))
        NumFromDate(CDate([none]))
        IsDate("2013-01-10") && IsDate(Now()) && IsDate("x") = False && IsDate([none]) = False && IsDate(5) = False
        CDate(5)
        CDate(Now()) = Now()
        CDate("2013-01-10") < CDate("2013-01-11") && CDate("2013-01-10") <> CDate("2013-01-11")
        FormatDateTime(CDate("2013-01-05 15:04:09.050"),"d M y yyy MMM MMMM ddd dddd H h m s f ff FF tt z zz zzz K")
        FormatDateTime(CDate("2013-01-05"),"'at' \\d\\\\ \"q\" % Q")
        FormatDateTime(CDate([none]),"yyyy")
        FormatDateTime(Now(),[none])
        CStr(Now())
        "#,
        expect![[r#"
            FormatDateTime(DateAdd("m",3,CDate("2001-01-01")),"yyyy-MM-dd")
            => "2001-04-01"
            FormatDateTime(DateAdd("m",1,CDate("2024-01-31")),"yyyy-MM-dd")
            => "2024-02-29"
            FormatDateTime(DateAdd("m",-1,CDate("2023-03-31 10:11:12")),"yyyy-MM-dd HH:mm:ss")
            => "2023-02-28 10:11:12"
            FormatDateTime(DateAdd("yyyy",1,CDate("2024-02-29")),"yyyy-MM-dd")
            => "2025-02-28"
            FormatDateTime(DateAdd("q",1,CDate("2023-11-30")),"yyyy-MM-dd")
            => "2024-02-29"
            FormatDateTime(DateAdd("y",1,CDate("2024-02-28")),"yyyy-MM-dd")
            => "2024-02-29"
            FormatDateTime(DateAdd("d",-1,CDate("2024-03-01")),"yyyy-MM-dd")
            => "2024-02-29"
            FormatDateTime(DateAdd("w",5,CDate("2024-03-01")),"yyyy-MM-dd")
            => "2024-03-06"
            FormatDateTime(DateAdd("ww",2,CDate("2024-03-01")),"yyyy-MM-dd")
            => "2024-03-15"
            FormatDateTime(DateAdd("h",25,CDate("2024-03-01")),"yyyy-MM-dd HH:mm")
            => "2024-03-02 01:00"
            FormatDateTime(DateAdd("n",-1,CDate("2024-03-01")),"yyyy-MM-dd HH:mm")
            => "2024-02-29 23:59"
            FormatDateTime(DateAdd("s",61,CDate("2024-03-01")),"HH:mm:ss")
            => "00:01:01"
            DateAdd("M",1,CDate("2024-03-01")) > Now()
            => ! expression-invalid-argument: `DateAdd` knows the intervals yyyy q m y d w ww h n s, and not `M` at `DateAdd("M",1,CDate("2024-03-01"))`
            IsNull(DateAdd("d",1,CDate([none])))
            => True
            IsNull(DateAdd("d",CNum([none]),Now()))
            => True
            DateAdd("yyyy",9000,Now()) > Now()
            => ! expression-conversion-failed: `DateAdd`: the date lies outside the years 1 to 9999; 9223372036854775807 in accountExpires means never at `DateAdd("yyyy",9000,Now())`
            DateAdd("ww",9223372036854775807,Now()) > Now()
            => ! expression-conversion-failed: `DateAdd`: the date lies outside the years 1 to 9999; 9223372036854775807 in accountExpires means never at `DateAdd("ww",9223372036854775807,Now())`
            FormatDateTime(DateAdd("d",-735000,Now()),"yyyy-MM-dd")
            => "0002-04-26"
            FormatDateTime(DateAdd("d",-736000,Now()),"yyyy-MM-dd")
            => ! expression-conversion-failed: `FormatDateTime`: the date lies outside the years 1 to 9999; 9223372036854775807 in accountExpires means never at `FormatDateTime(DateAdd("d",-736000,Now()),"yyyy-MM-dd")`
            DateAdd("d",-736000,Now()) < DateAdd("d",-735000,Now())
            => True
            NumFromDate(CDate("2012-01-01 23:00:00"))
            => 129699324000000000
            NumFromDate(DateFromNum(129699324000000009))
            => 129699324000000000
            NumFromDate(DateFromNum(-9223372036854775808))
            => ! expression-overflow: the result does not fit into a 64-bit number at `NumFromDate(DateFromNum(-9223372036854775808))`
            NumFromDate(CDate([none]))
            => Null
            IsDate("2013-01-10") && IsDate(Now()) && IsDate("x") = False && IsDate([none]) = False && IsDate(5) = False
            => True
            CDate(5)
            => !! expression-type-mismatch `5` `CDate` takes as `text` a text or a date, and this is a number (convert it: CStr(...))
            CDate(Now()) = Now()
            => True
            CDate("2013-01-10") < CDate("2013-01-11") && CDate("2013-01-10") <> CDate("2013-01-11")
            => True
            FormatDateTime(CDate("2013-01-05 15:04:09.050"),"d M y yyy MMM MMMM ddd dddd H h m s f ff FF tt z zz zzz K")
            => "5 1 13 2013 Jan January Sat Saturday 15 3 4 9 0 05 05 PM +0 +00 +00:00 Z"
            FormatDateTime(CDate("2013-01-05"),"'at' \\d\\\\ \"q\" % Q")
            => "at d\\ q % Q"
            FormatDateTime(CDate([none]),"yyyy")
            => Null
            FormatDateTime(Now(),[none])
            => Null
            CStr(Now())
            => !! expression-type-mismatch `Now()` `CStr` takes as `value` a text or a number or True or False or a reference, and this is a date (convert it: FormatDateTime(..., "yyyy-MM-dd"))
        "#]],
    );
}
