//! Tools written by hand, with the idiomatic requests that no grammar makes.

use super::kind::kind;
use super::tool::{Asking, Param, Tool};

/// A row of the table.
struct Row {
    name: &'static str,
    description: &'static str,
    /// `name:kind`, in order.
    params: &'static str,
    /// What it is about: subjects of [`super::composed`] or others.
    subjects: &'static str,
    sentences: &'static [&'static str],
}

/// All hand-written tools.
pub fn hand_written() -> Vec<Tool> {
    ROWS.iter()
        .map(|row| {
            let params = row.params.split(' ').filter_map(|param| {
                let (name, id) = param.split_once(':')?;
                let required = row.sentences.iter().all(|s| s.contains(&format!("{{{name}}}")));
                Some(Param { name: name.to_owned(), kind: kind(id)?, required, by_name: false })
            });
            Tool {
                name: row.name.to_owned(),
                description: row.description.to_owned(),
                params: params.collect(),
                asking: Asking::Sentences(row.sentences),
                subject: row.subjects.split(' ').next().unwrap_or_default().to_owned(),
                subjects: row.subjects.split(' ').map(str::to_owned).collect(),
            }
        })
        .collect()
}

const ROWS: &[Row] = &[
    Row {
        name: "get_weather",
        description: "Weather forecast for a city",
        params: "city:city date:date unit:unit",
        subjects: "weather",
        sentences: &[
            "What is the weather in {city}?",
            "Will it rain in {city} on {date}?",
            "Weather in {city} for {date} please",
            "How warm is it in {city} in {unit} units?",
            "Do I need a coat in {city}?",
        ],
    },
    Row {
        name: "convert_currency",
        description: "Convert money between currencies",
        params: "amount:price to:language",
        subjects: "money",
        sentences: &[
            "Convert {amount} dollars to {to} money",
            "How much is {amount} dollars in {to} money?",
            "Change {amount} dollars into {to} money",
        ],
    },
    Row {
        name: "book_flight",
        description: "Book a plane ticket",
        params: "from:origin to:destination date:date",
        subjects: "flight trip",
        sentences: &[
            "Book a flight from {from} to {to} on {date}",
            "I need to fly from {from} to {to}",
            "Get me a plane from {from} to {to} for {date}",
            "Fly me to {to} from {from}",
        ],
    },
    Row {
        name: "send_email",
        description: "Send an email to someone",
        params: "address:email subject:topic urgent:urgent",
        subjects: "message",
        sentences: &[
            "Email {address} about {subject}",
            "Send a mail to {address} with subject {subject} {urgent}",
            "Write to {address} about {subject} {urgent}",
        ],
    },
    Row {
        name: "set_timer",
        description: "Start a countdown timer",
        params: "minutes:minutes",
        subjects: "timer",
        sentences: &[
            "Set a timer for {minutes} minutes",
            "Start a {minutes} minute countdown",
            "Wake me in {minutes} minutes",
            "Count down {minutes} minutes",
        ],
    },
    Row {
        name: "play_song",
        description: "Play a song by an artist",
        params: "title:thing artist:person",
        subjects: "song",
        sentences: &[
            "Play {title} by {artist}",
            "I want to hear {title} from {artist}",
            "Put on {title}",
            "Let me listen to {title}",
        ],
    },
    Row {
        name: "track_order",
        description: "Status of an order",
        params: "order_id:code",
        subjects: "package order",
        sentences: &[
            "Where is my order {order_id}?",
            "Track {order_id}",
            "What happened to order {order_id}?",
        ],
    },
    Row {
        name: "translate_text",
        description: "Translate text to a language",
        params: "text:thing language:language",
        subjects: "translation",
        sentences: &[
            "Translate {text} into {language}",
            "How do you say {text} in {language}?",
            "What is {text} in {language}?",
        ],
    },
    Row {
        name: "find_restaurant",
        description: "Search places to eat",
        params: "city:city max_price:price",
        subjects: "restaurant food",
        sentences: &[
            "Where can I eat in {city}?",
            "Find a restaurant in {city} under {max_price} dollars",
            "Dinner in {city} below {max_price} dollars",
            "I am hungry in {city}",
        ],
    },
    Row {
        name: "add_todo",
        description: "Add an item to the todo list",
        params: "task:thing urgent:urgent",
        subjects: "task",
        sentences: &[
            "Add {task} to my todo list",
            "Put {task} on my list {urgent}",
            "Remember {task} on my todo list {urgent}",
        ],
    },
    Row {
        name: "turn_on_light",
        description: "Switch on a lamp",
        params: "room:thing color:color",
        subjects: "lamp",
        sentences: &[
            "Turn on the light in the {room}",
            "Make the {room} light {color}",
            "Switch the {room} lamp to {color}",
            "It is too dark in the {room}",
        ],
    },
    Row {
        name: "get_stock_price",
        description: "Share price of a company",
        params: "company:person",
        subjects: "stock",
        sentences: &[
            "What is the share price of {company}?",
            "How is {company} stock doing?",
            "How much is a share of {company}?",
        ],
    },
    Row {
        name: "schedule_meeting",
        description: "Plan a meeting with people",
        params: "people:guests date:date time:time",
        subjects: "meeting",
        sentences: &[
            "Meet {people} on {date} at {time}",
            "Schedule a call with {people} on {date}",
            "Set up a meeting with {people} on {date} at {time}",
            "Put {people} in a meeting on {date}",
        ],
    },
    Row {
        name: "order_pizza",
        description: "Order pizza for delivery",
        params: "size:size quantity:count",
        subjects: "pizza food",
        sentences: &[
            "Order {quantity} {size} pizzas",
            "I would like {quantity} {size} pizzas",
            "Bring me {quantity} pizzas in size {size}",
        ],
    },
    Row {
        name: "search_movies",
        description: "Search films by topic",
        params: "topic:topic limit:count",
        subjects: "movie",
        sentences: &[
            "Find films about {topic}",
            "Any movies about {topic}?",
            "Show {limit} films about {topic}",
            "I want to watch something about {topic}",
        ],
    },
    Row {
        name: "create_account",
        description: "Register a new user",
        params: "name:person email:email public:public",
        subjects: "account",
        sentences: &[
            "Register {name} with {email}",
            "Create an account for {name} using {email}",
            "Sign up {name} with {email} {public}",
        ],
    },
    Row {
        name: "rent_car",
        description: "Rent a car",
        params: "city:city days:days",
        subjects: "car",
        sentences: &[
            "Rent a car in {city} for {days} days",
            "I need a car for {days} days in {city}",
            "Get me something to drive in {city} for {days} days",
        ],
    },
    Row {
        name: "get_news",
        description: "Latest news about a topic",
        params: "topic:topic language:language",
        subjects: "news",
        sentences: &[
            "Any news about {topic}?",
            "Latest headlines on {topic}",
            "What is new in {topic}, in {language}?",
            "Show {language} headlines on {topic}",
        ],
    },
    Row {
        name: "cancel_booking",
        description: "Cancel a reservation",
        params: "code:code",
        subjects: "booking",
        sentences: &[
            "Cancel booking {code}",
            "Please call off reservation {code}",
            "Drop my reservation {code}",
        ],
    },
    Row {
        name: "split_bill",
        description: "Split a bill among people",
        params: "total:price people:count",
        subjects: "invoice",
        sentences: &[
            "Split {total} among {people} people",
            "Divide a bill of {total} by {people} people",
            "We are {people} people sharing {total}",
        ],
    },
    Row {
        name: "find_recipe",
        description: "Find a recipe",
        params: "dish:thing ingredients:tags",
        subjects: "recipe food",
        sentences: &[
            "How do I cook {dish}?",
            "Recipe for {dish} please",
            "Cook {dish} out of {ingredients}",
            "What can I cook as {dish} from {ingredients}?",
        ],
    },
    Row {
        name: "get_distance",
        description: "Distance between two cities",
        params: "start:origin end:destination",
        subjects: "distance",
        sentences: &[
            "How far is {end} from {start}?",
            "Distance from {start} to {end}",
            "How long is the road from {start} to {end}?",
        ],
    },
    Row {
        name: "set_temperature",
        description: "Set the thermostat",
        params: "degrees:count room:thing",
        subjects: "weather heating",
        sentences: &[
            "Set the heating to {degrees} degrees",
            "Make it {degrees} degrees",
            "Make the {room} {degrees} degrees warm",
        ],
    },
    Row {
        name: "book_hotel",
        description: "Reserve a hotel room",
        params: "city:city nights:days",
        subjects: "hotel",
        sentences: &[
            "Book a hotel in {city} for {nights} nights",
            "I need a room in {city}",
            "Where can I sleep in {city} for {nights} nights?",
        ],
    },
    Row {
        name: "create_reminder",
        description: "Remind me of something",
        params: "text:thing time:time",
        subjects: "reminder",
        sentences: &[
            "Remind me of {text} at {time}",
            "At {time} remind me of {text}",
            "Do not let me forget {text} at {time}",
        ],
    },
    Row {
        name: "get_train_times",
        description: "Departures of trains",
        params: "station:city time:time",
        subjects: "train trip",
        sentences: &[
            "When does the next train leave {station}?",
            "Trains from {station} after {time}",
            "Departures at {station} after {time}",
        ],
    },
    Row {
        name: "log_weight",
        description: "Record a body weight",
        params: "kilos:weight date:date",
        subjects: "weight health",
        sentences: &[
            "I weigh {kilos} kilos",
            "On {date} I weighed {kilos} kilos",
            "Record {kilos} kilos for {date}",
        ],
    },
    Row {
        name: "upload_photo",
        description: "Upload a picture with tags",
        params: "file:thing tags:tags public:public",
        subjects: "photo",
        sentences: &[
            "Upload the picture {file} tagged {tags}",
            "Put my photo {file} online {public}",
            "Upload {file} with tags {tags} {public}",
        ],
    },
    Row {
        name: "export_report",
        description: "Export a report to a file",
        params: "report:topic format:format",
        subjects: "report",
        sentences: &[
            "Export the {report} report as {format}",
            "I need the {report} report as {format}",
            "Give me a {format} file of the {report} report",
        ],
    },
    Row {
        name: "order_taxi",
        description: "Call a taxi",
        params: "pickup:origin dropoff:destination time:time",
        subjects: "taxi car trip",
        sentences: &[
            "Call a taxi from {pickup} to {dropoff}",
            "I need a cab from {pickup} to {dropoff} at {time}",
            "Take me from {pickup} to {dropoff}",
        ],
    },
    Row {
        name: "set_volume",
        description: "Change how loud it is",
        params: "volume:count device:thing",
        subjects: "volume",
        sentences: &[
            "Set the volume to {volume}",
            "Make the {device} play at volume {volume}",
            "Turn the {device} to volume {volume}",
        ],
    },
    Row {
        name: "enroll_course",
        description: "Sign up for lessons",
        params: "student:person subject:topic level:level",
        subjects: "course",
        sentences: &[
            "Enroll {student} in {subject} lessons",
            "{student} wants to learn {subject}",
            "Put {student} into the {level} class on {subject}",
        ],
    },
    Row {
        name: "check_symptom",
        description: "Advice about a health problem",
        params: "symptom:thing days:days severe:urgent",
        subjects: "health",
        sentences: &[
            "My {symptom} has hurt for {days} days",
            "I have had {symptom} pain for {days} days {severe}",
            "For {days} days I have felt {symptom} pain",
        ],
    },
    Row {
        name: "invite_friends",
        description: "Invite people to a party",
        params: "guests:guests place:city",
        subjects: "event party",
        sentences: &[
            "Invite {guests} to my party in {place}",
            "Ask {guests} to come to the party",
            "I am giving a party in {place} with {guests}",
        ],
    },
    Row {
        name: "transfer_money",
        description: "Send money to a person",
        params: "recipient:recipient amount:price",
        subjects: "money account",
        sentences: &[
            "Transfer {amount} dollars to {recipient}",
            "Pay {recipient} {amount} dollars",
            "I owe {recipient} {amount} dollars",
        ],
    },
    Row {
        name: "solve_percentage",
        description: "Compute a percentage of a number",
        params: "percent:count number:price",
        subjects: "math",
        sentences: &[
            "What is {percent} percent of {number}?",
            "Compute {percent} percent of {number}",
            "Take {percent} percent of {number}",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::kind::Shape;

    #[test]
    fn rows_are_complete() {
        let tools = hand_written();
        assert!(tools.len() >= 30);
        for (tool, row) in tools.iter().zip(ROWS) {
            assert_eq!(tool.params.len(), row.params.split(' ').count(), "{}: unknown kind", row.name);
            assert!(tool.params.iter().any(|p| p.required), "{}", row.name);
            for param in &tool.params {
                let slot = format!("{{{}}}", param.name);
                let used = row.sentences.iter().any(|s| s.contains(&slot));
                assert!(used || !param.required, "{} {}", row.name, param.name);
            }
        }
        let has = |f: fn(&Shape) -> bool| tools.iter().flat_map(|t| &t.params).any(|p| f(&p.kind.shape));
        assert!(has(|s| matches!(s, Shape::Flag)) && has(|s| matches!(s, Shape::List(_))));
        assert!(has(|s| matches!(s, Shape::Integer(..))) && has(|s| matches!(s, Shape::Number(..))));
        assert!(has(|s| matches!(s, Shape::Choice(_))));
    }
}
