//! Words so common in a language that they hardly tell one text from another: what a query leaves out, beside what an index may
//! leave out ([`Language::stop_words`]). Lists of our own: articles, pronouns, prepositions, conjunctions, auxiliary verbs, words of
//! questions.

use super::Language;

impl Language {
    /// The words that a query leaves out, some of them more than once.
    pub(crate) fn common_words(self) -> impl Iterator<Item = &'static str> {
        let shorter = self.stop_words().unwrap_or_default();
        shorter.split_ascii_whitespace().chain(more_common_words(self).split_ascii_whitespace())
    }
}

/// Those that are not in the shorter list of the language, which some have.
#[expect(clippy::too_many_lines, reason = "a table")]
fn more_common_words(language: Language) -> &'static str {
    match language {
        Language::Arabic => {
            "من في على إلى عن مع هذا هذه ذلك تلك هؤلاء الذي التي الذين ما ماذا لماذا متى أين كيف كم هل هو هي هم هن أنا أنت أنتم نحن \
             كان كانت كانوا يكون تكون ليس ليست لا لم لن إن أن أنه أنها قد لقد ثم أو و أم بل لكن حتى إذا إذ لو كل بعض غير بين بعد قبل \
             عند عندما منذ أي أيضا به بها له لها لهم فيه فيها عليه عليها منه منها إليه إليها كما لأن حيث"
        }
        Language::Danish => {
            "af alle alt anden at blev blive bliver da de dem den denne der deres det dette dig din disse dog du efter eller en \
             end er et for fra ham han hans har havde have hende hendes her hos hun hvad hvem hver hvilke hvilken hvis hvor \
             hvordan hvorfor hvornår i ikke ind jeg jer jo kan kunne man mange med meget men mig min mine mit mod noget nogle \
             nu når og også om op os over på selv sig sin sine sit skal skulle som sådan til ud under var vi vil ville vor være \
             været"
        }
        Language::Dutch => {
            "al alle alles ben bent daar daarom doen doet dus elk elke geweest hebben hem hen hier hoe indien jou jouw jullie \
             kon kunnen men moet moeten onze tegen toch toen tussen waar waarom wanneer want waren welk welke werden wil \
             worden wordt zelf zonder zou zullen"
        }
        Language::English => {
            "about all also am any been before being between both can could did do does doing during each further having how \
             i itself just may me might more most must my nor only other our ours over own same shall should so some than \
             theirs them themselves through too until upon very we what when where whether while who whom whose why would you \
             your yours"
        }
        Language::Finnish => {
            "ei eivät emme en et ette että hän häntä hänen hänet he heidän ja jo joka jos jotka jolla joita jota johon josta \
             kanssa ketä koska kuin kuinka kuka kun me meidän mihin mikä mikäli miksi missä mitä mitkä milloin miten mistä \
             minkä minä minun mukaan mutta myös ne niiden niin niitä nämä näitä näiden nyt olen olet oli olivat olla ollut \
             olemme olisi on ovat se sen siihen siinä siitä sitä sinä sinun sillä tai te teidän tuo tuon tämä tämän tätä tässä \
             vaan vai vaikka voi"
        }
        Language::French => {
            "ai as aura avait avez avoir avons aussi ayant car cela ceci celle celles celui ceux chez comme comment combien donc \
             dont dès depuis entre étaient était étant eu fait faire font fut leurs lors lorsque là ni non ont oui plus pourquoi \
             puis quand quel quelle quelles quels quoi sans serait si sous suis sommes êtes tout toute toutes tous très vers y à"
        }
        Language::German => {
            "alle allen aller alles bist da damit dann darauf davon dazu dein deine deinem deinen deiner denn dessen dich dir \
             doch dort euch euer eure gegen habe hatte hatten hier ihm ihn ihnen ihre ihrem ihren ihrer ihres ja jede jedem \
             jeden jeder jedes jene jenem jenen jener jenes jetzt kann kein keine keinem keinen keiner können könnte mein meine \
             meinem meinen meiner mich mir muss müssen man ob ohne schon sehr seid seine seinem seinen seiner seit soll sollen \
             sollte sonst unser unsere waren warum weil welche welchem welchen welcher welches werde werden wer wieder will wird \
             wo wurde wurden würde während zwischen"
        }
        Language::Greek => {
            "ο η το οι τα του της των τον την τους τις ένας μια μία ένα και κι ή είναι ήταν είμαι είσαι είχε έχει έχουν έχω θα να \
             δεν μη μην με σε στο στη στην στον στα στους στις από για γιατί προς κατά μετά ως ότι πως πώς που πού όπως όταν αν \
             εάν αλλά όμως αυτός αυτή αυτό αυτοί αυτές αυτά αυτόν αυτήν εκείνος εκείνη εκείνο εγώ εσύ εμείς εσείς μου σου μας σας \
             τι ποιος ποια ποιο ποιοι πόσο πότε κάθε πολύ πιο ούτε έτσι ώστε"
        }
        Language::Hungarian => {
            "a abban ahhoz ahogy ahol aki akik akkor amely amelyek amelyet ami amit annak arra arról az azok azon azt aztán azért \
             be csak de e ebben egy ehhez el ennek erre ez ezek ezen ezt ezért és fel ha hanem hogy hogyan hol így ilyen is ki \
             kell kik le legyen lehet lenne lesz már majd mert meg még mely melyek mi miatt mikor milyen mind minden mint mit \
             miért most ne nem neki nincs ott ő ők őket pedig s se sem szerint után úgy vagy van vannak volt voltak volna"
        }
        Language::Italian => {
            "agli ai allo abbiamo avere aveva avevano avete cosa cui dallo degli dagli dai dove dopo essa esse essere essi esso fu \
             fra furono hanno mia mie miei mio molto negli nello nostra nostre nostri nostro ogni perché però poi qual quale quali \
             quando quanta quanti quanto quella quelle quelli quello quel questa queste questi questo sia siamo siete stato stata \
             sua sue suo suoi senza sui sullo tua tue tuo tuoi tutta tutte tutti tutto voi vostra vostro"
        }
        Language::Norwegian => {
            "alle at av bare ble bli blir da de deg dei den denne der dere deres det dette din disse ditt du eg ei eit eller en enn \
             er et etter for fordi fra før ha hadde han hans har hennes her hun hva hvem hver hvilken hvilke hvis hvor hvordan \
             hvorfor i ikke inn ja jeg kan kunne man mange med meg men mer min mitt mot mye noe noen nå når og også om opp oss over \
             på seg selv sin sine sitt skal skulle slik som så til ut under var ved vi vil ville vår være vært"
        }
        Language::Portuguese => {
            "alguns ante antes aquela aquelas aquele aqueles aquilo até cada depois desde dessa desse desta deste disso disto eram \
             essas esses estas estes está estão estar estava foram há isto lhes mesmo meu meus minha minhas muito nem nessa nesse \
             nesta neste nossa nossas nosso nossos num numa onde outra outro pelas pelos qual quais quando quanto quem seja será \
             seus suas sobre só sou tem têm tinha tu tua teu tudo toda todas todo todos umas uns você vocês às"
        }
        Language::Romanian => {
            "a acea aceasta această aceea acei aceia acel acela acele acelea acest acesta aceste acestea acolo ai al ale am ar are \
             asta au avea ca care când ce cea cei cel cele cine cu cum că căci da dar dacă de deci despre din după ea ei el ele era \
             eram este eu fi fie fost fără îi îl îmi în între iar la le li lor lui mai mea mei mi mine ne nici noi nostru nu o ori \
             orice pe pentru peste până prin sa sau se sunt să și sub te tu un una unde unei unele unor unui va vei vi voi vor vă"
        }
        Language::Russian => {
            "а без более бы был была были было быть в вам вас ведь весь во вот все всего всех вы где да даже для до его ее её ей ему \
             если есть еще ещё же за здесь и из или им их к как какая какие какой когда кто ли либо между меня мне может мы на над \
             наш не него нее неё нет ни них но ну о об однако он она они оно от перед по под после потом потому почему при про с \
             себя со так также такой там те тем то того тоже той только том ты у уже хотя чего чем что чтобы эта эти это этого этой \
             этом этот эту я"
        }
        Language::Spanish => {
            "algo algunos ante antes aquel aquella aquellas aquellos así aún cada cómo cual cuál cuales cuáles cuando cuándo cuanto \
             cuánto desde donde dónde durante eran eso esa esas ese esos estaba estado están estar estas estos estoy fue fueron \
             haber había hacia hasta hay he mis muy mucho mucha muchos nada nosotros otra otras otro otros os porque qué quien quién \
             quienes será sido somos son soy también tan tanto tiene tienen todo toda todos todas tus usted ustedes él"
        }
        Language::Swedish => {
            "alla allt att av blev bli blir de dem den denna deras dess dessa det detta dig din dina ditt du där då efter ej eller en \
             er era ert ett från för ha hade han hans har henne hennes hon honom hur här i inom inte jag ju kan kunde man med mellan \
             men mig min mina mitt mot mycket ni nu när någon något några och om oss på samma sedan sig sin sina sitt själv skall ska \
             skulle som så sådan till under upp ut utan vad var varför varje vara varit vem vi vid vilka vilken vilket vill våra \
             vårt vår än är åt över"
        }
        Language::Tamil => {
            "ஒரு மற்றும் இந்த அந்த இது அது என்று என்ற என அல்லது நான் நீ அவர் அவன் அவள் நாம் அவர்கள் என்ன எப்படி ஏன் யார் எங்கு எப்போது \
             இங்கு அங்கு ஆனால் மேலும் தான்"
        }
        Language::Turkish => {
            "acaba ama ancak bana bazı belki ben beni benim beri bile bir biri biz bize bizi bizim bu buna bunda bundan bunlar bunu \
             bunun burada çok çünkü da daha de değil diye en eğer gibi göre hangi hem hep hepsi her hiç için ile ise işte kadar ki \
             kim kime kimi mı mi mu mü nasıl ne neden nerede nereye niçin niye o olan olarak oldu olduğu olmak ona ondan onlar onları \
             onların onu onun orada öyle pek sana sanki sen seni senin siz size sizi sizin sonra şey şu şöyle tüm üzere var ve veya \
             ya yani yok yoksa zaten"
        }
    }
}
